"""Questions to the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import typer

from acetune.cli.session import Session
from acetune.errors import AcetuneError


def asker(session: Session) -> Callable[[AcetuneError, Sequence[str]], str] | None:
    """Return what asks a person for one of several answers; None where nobody is there, or a program listens."""
    if not can_ask(session):
        return None

    def ask(doubt: AcetuneError, answers: Sequence[str]) -> str:
        session.say(doubt.message(session.options.language))
        numbers = {str(number): answer for number, answer in enumerate(answers, start=1)}
        for number, answer in numbers.items():
            session.say(f"  {number}  {answer}")
        while True:
            said: str = typer.prompt(session.words("which"), err=True).strip()
            if said in numbers or said in answers:
                return numbers.get(said, said)

    return ask


def can_ask(session: Session) -> bool:
    """Whether a person is there to be asked, and no program listens."""
    return not session.options.json and sys.stdin.isatty()


def agrees(question: str) -> bool:
    """Return whether the person at the terminal says yes."""
    return typer.confirm(question, err=True)
