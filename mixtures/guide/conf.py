"""Sphinx's settings: the guide, the gallery and the reference as pages."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

import mixtures

jax.config.update("jax_enable_x64", True)

project = "mixtures"
author = "The mixtures developers"
version = release = mixtures.__version__
html_title = f"mixtures {version}"
html_theme = "furo"
html_copy_source = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["gallery"]
myst_heading_anchors = 2

autodoc_typehints = "none"  # shapes are in the docstrings, in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "gallery_built",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
}
