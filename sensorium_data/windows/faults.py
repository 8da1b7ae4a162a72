"""Everything that is wrong with what was asked for, gathered and said at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from sensorium_data.errors import BadArgument, NoSuchItem, Problem, counted

__all__ = ["Faults"]


@dataclass(slots=True)
class Faults:
    """What was found so far."""

    _found: list[tuple[Problem, str, bool]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, code: str, where: str, what: str, hint: str = "", *, unknown: bool = False) -> None:
        """Note one thing that is wrong.

        Parameters
        ----------
        code : str
        where : str
            The argument, and what of it.
        what : str
            What was seen, and what was expected.
        hint : str
            What to do about it.
        unknown : bool
            It is a name that nothing has.
        """
        self._found.append((Problem(code, where, what), hint, unknown))

    def refuse(self) -> None:
        """Raise what was found, if anything was.

        Raises
        ------
        NoSuchItem
            Names that nothing has, and nothing else.
        BadArgument
            Anything else.
        """
        if not self._found:
            return
        kind = NoSuchItem if all(unknown for _, _, unknown in self._found) else BadArgument
        if len(self._found) == 1:
            problem, hint, _ = self._found[0]
            raise kind(f"{problem.where}: {problem.what}", hint=hint, code=problem.code)
        problems = [Problem(p.code, p.where, p.what + (f"; {hint}" if hint else "")) for p, hint, _ in self._found]
        what = f"the windows asked for have {counted(len(problems), 'problem')}"
        raise kind(what, hint="every one is listed above", problems=problems, code="bad-windows")
