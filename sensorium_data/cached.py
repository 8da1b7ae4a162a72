"""Properties that are computed once, without a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cached_property"]

T = TypeVar("T")


class cached_property(Generic[T]):  # noqa: N801  # named as what it stands in for
    """A property that is computed when it is first asked for, and kept in the object's ``__dict__``.

    That of `functools` in Python 3.11 holds a lock of the class while it computes: a process that is forked while a
    thread reads would wait for that thread for ever, and objects would wait for each other. Python 3.12 has taken the lock away
    (https://docs.python.org/3.12/library/functools.html#functools.cached_property). Two threads may then both compute;
    what they find is the same, and one of them stays.

    Parameters
    ----------
    compute : callable

    Examples
    --------
    >>> class Squared:
    ...     def __init__(self, n):
    ...         self.n = n
    ...     @cached_property
    ...     def value(self):
    ...         print("computed")
    ...         return self.n**2
    >>> squared = Squared(3)
    >>> squared.value + squared.value
    computed
    18
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute, self.__doc__ = compute, compute.__doc__
        self._name = ""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value
