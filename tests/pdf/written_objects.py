"""Objects described as `pdf.objects` does, for files that tests put together by hand."""

from pdf.objects import Ref, Value, serialise


class Written:
    """Takes objects from a first number on; `bodies` are their texts."""

    def __init__(self, first: int) -> None:
        self._next = first
        self.bodies: dict[int, str | bytes] = {}

    def add(self, value: Value) -> Ref:
        reference = Ref(self._next)
        self._next += 1
        self.bodies[reference.number] = serialise(value)
        return reference
