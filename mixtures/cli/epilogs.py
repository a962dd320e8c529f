"""What --help shows below the options: examples, and exit codes."""

EXIT_CODES = """\b
Exit codes:
  0    the work was done
  1    no estimate was found, or the program failed
  2    the arguments, the data or the output folder cannot be used: one
       sentence says why, and nothing is written
  3    compare only: the report is written, but its verdict is
       "not comparable", so conclude nothing from it
  130  interrupted; nothing half-written is left behind, and compare and
       sweep can be continued with --resume once NUTS has begun
  With --json these are the same, and errors are sentences on standard error.
"""

COMPARE_EXAMPLES = """\b
Examples:
  mixtures compare timeseries.csv --components 3
  mixtures compare iris.csv -k 3 --columns sepal_width,petal_width -o out/iris
  mixtures compare heights.tsv --covariance tied --quick
  zcat heights.csv.gz | mixtures compare - -k 2 --out out/heights
  mixtures compare acidity.csv --calibrate 200
  mixtures compare heights.tsv --prior 'mean=Normal(170, 20);
      scale=LogNormal(2, 0.5); weights=Dirichlet(2)'

"""

FIT_EXAMPLES = """\b
Examples:
  mixtures fit timeseries.csv --components 3
  mixtures fit iris.csv -k 3 --covariance tied --out out/iris-fit
  mixtures fit heights.tsv --prior 'mean=Normal(170, 20); scale=LogNormal(2, 0.5)'

"""

SELECT_EXAMPLES = """\b
Examples:
  mixtures select timeseries.csv --components 1:6
  mixtures select iris.csv -k 1:5 --covariance all --criterion icl
  mixtures select heights.tsv -k 2,3,4 --covariance tied,full --criterion cv

"""

SWEEP_EXAMPLES = """\b
Examples:
  mixtures sweep acidity.csv --components 1:4 --covariance tied,full
  mixtures sweep north.csv south.csv -k 2 --quick
  mixtures sweep heights.tsv --prior default --prior 'mean=Normal(170, 20);
      scale=LogNormal(2, 0.5)'

"""

CALIBRATE_EXAMPLES = """\b
Examples:
  mixtures calibrate timeseries.csv --components 3
  mixtures calibrate heights.tsv --from prior --rows 100 --simulations 1000
  mixtures calibrate heights.tsv --methods 'ML, observed; NUTS' --level 0.95

"""

AUDIT_EXAMPLES = """\b
Examples:
  mixtures audit my_em.py timeseries.csv --components 3
  mixtures audit my_em.py heights.tsv -k 2 --e-step expect --m-step maximise
  mixtures audit solution.json iris.csv --columns sepal_width,petal_width
  The exit code is 1 where a fault is found.

"""

REPORT_EXAMPLES = """\b
Examples:
  mixtures report out/timeseries
  mixtures report out/iris-select --quiet

"""

DOCTOR_EXAMPLES = """\b
Examples:
  mixtures doctor
  mixtures doctor --json > doctor.json
  JAX_PLATFORMS=cpu mixtures doctor --quiet

"""
