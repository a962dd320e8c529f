"""Somebody's E-step and M-step, called safely, in the layouts they use."""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from mixtures.audit.layouts import Layout, Raw, ResponsibilityLayout

Array = np.ndarray


@contextmanager
def exits_are_failures() -> Iterator[None]:
    """Where somebody's code ends Python it fails; a signal, whose code is 128 and more, still ends this program.

    Raises
    ------
    RuntimeError
        If it calls ``sys.exit``; the message says with what.
    """
    try:
        yield
    except SystemExit as error:
        if isinstance(error.code, int) and error.code >= 128:
            raise
        raise RuntimeError(f"it calls sys.exit({error.code!r})") from error


def call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call somebody's function without its warnings, on copies, for it may write into what it is handed.

    Raises
    ------
    ValueError
        If it raises anything; the message says what.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            with exits_are_failures():
                return function(*map(_copied, arguments))
        except Exception as error:
            raise ValueError(f"{name} failed with {type(error).__name__}: {error}") from error


def _copied(argument: Any) -> Any:
    """A copy to the bottom, or the thing itself where it cannot be copied, as a view of a dictionary cannot."""
    try:
        return copy.deepcopy(argument)
    except TypeError:
        return argument


@dataclass(frozen=True)
class Program:
    """Both steps with the data, as given and as rows (N, D), and the layouts of parameters and responsibilities."""

    data: Any
    rows: Float[Array, "N D"]
    e_step: Callable[..., Any]
    m_step: Callable[..., Any]
    layout: Layout
    responsibilities: ResponsibilityLayout

    @staticmethod
    def of(data: Any, rows: Float[Array, "N D"], e_step, m_step, params: Any) -> "Program":
        """Call both steps once, and recognise their layouts.

        Raises
        ------
        ValueError
            If a step fails at the start it was given, answers differently when asked again, or a shape is not
            understood.
        """
        layout = Layout.of(params, rows.shape[1])
        found, again = (call("e_step", e_step, data, params) for _ in range(2))
        resp = ResponsibilityLayout.of(found, len(rows), layout.num_components)
        if not np.array_equal(resp.read(found), resp.read(again), equal_nan=True):
            raise ValueError(
                "e_step must give the same responsibilities for the same arguments, but two calls differ; fix its seed."
            )
        program = Program(data, rows, e_step, m_step, layout, resp)
        updated = program.update(resp.read(found))
        if updated.read().finite:
            try:
                call("e_step", e_step, data, updated.params)
            except ValueError as error:
                raise ValueError(f"m_step must return what e_step takes, but on it {error}") from error
        if updated.covariance != layout.covariance:
            program = replace(program, layout=Layout.of(params, rows.shape[1], updated.covariance))
        return program

    def posterior(self, raw: Raw) -> Float[Array, "N K"] | None:
        """Their responsibilities at other parameters; None where their E-step fails there, as it may."""
        try:
            return self.responsibilities.read(call("e_step", self.e_step, self.data, self.layout.pack(raw)))
        except ValueError:
            return None

    def update(self, resp: Float[Array, "N K"]) -> Layout:
        """Their parameters from given responsibilities.

        Raises
        ------
        ValueError
            If their M-step fails, or its result is not understood.
        """
        found = call("m_step", self.m_step, self.data, self.responsibilities.pack(resp))
        try:
            layout = Layout.of(found, self.rows.shape[1])
        except ValueError as error:
            raise ValueError(f"m_step returned what is not understood: {error}") from error
        if layout.num_components != self.layout.num_components:
            raise ValueError(
                f"m_step must return {self.layout.num_components} components as in params, got {layout.num_components}."
            )
        return layout
