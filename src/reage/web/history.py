"""What a visitor asked of the faces, step by step, so that steps can be undone and done again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from reage.request import Request

Asked = dict[int, Request]
"""What is asked of each face that was changed, by the index of the face."""

_ONE_MOVE = 1.5
"""A change of a setting within so many seconds of the answer to the last one goes on with one move of a slider."""
_KEPT = 100
"""Steps that can be undone."""


@dataclass(frozen=True)
class History:
    """What was asked before and after the present, which it does not hold itself."""

    past: tuple[Asked, ...] = ()
    """The latest last."""
    future: tuple[Asked, ...] = ()
    """What was undone; the next to be done again last."""
    moving: tuple[object, ...] = ()
    """Which setting of which faces a slider changed last; empty after any other step."""
    moved: float = 0.0
    """When that was answered, in seconds."""

    def after(self, before: Asked, now: Asked, seconds: float | None = None) -> History:
        """The history once ``before`` has become ``now``: by a slider, at the time ``seconds``, or in one step."""
        changed = _difference(before, now)
        if not changed:
            return self
        if seconds is None:
            return History((*self.past, before)[-_KEPT:])
        goes_on = changed == self.moving and seconds - self.moved < _ONE_MOVE
        return History(self.past if goes_on else (*self.past, before)[-_KEPT:], (), changed, seconds)

    def answered(self, seconds: float) -> History:
        """The same once a move of the slider was answered, at the time ``seconds``: a busy machine takes long."""
        return replace(self, moved=seconds)

    def undone(self, present: Asked) -> tuple[History, Asked]:
        """The history and what is asked after one step back, if there is one."""
        if not self.past:
            return self, present
        return History(self.past[:-1], (*self.future, present)), self.past[-1]

    def redone(self, present: Asked) -> tuple[History, Asked]:
        """The history and what is asked after one step forth, if there is one."""
        if not self.future:
            return self, present
        return History((*self.past, present), self.future[:-1]), self.future[-1]


def _difference(before: Asked, now: Asked) -> tuple[object, ...]:
    """The faces whose requests differ, and the settings in which they do."""
    faces = [index for index in sorted(before.keys() | now.keys()) if before.get(index) != now.get(index)]
    settings = {
        field.name
        for index in faces
        for field in fields(Request)
        if getattr(before.get(index), field.name, None) != getattr(now.get(index), field.name, None)
    }
    return (*faces, *sorted(settings))
