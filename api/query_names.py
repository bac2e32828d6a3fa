"""Query parameters that a call does not know: refused, because they are misspelt known ones.

A filter with a slip of the pen in its name would otherwise give everything, as if that were what
was asked for. Calls that take a raw document read their options from the query themselves, and
refuse unknown ones as they refuse those of a form.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, get_args, get_origin

from fastapi.routing import APIRoute

from api.errors import ParameterInvalid, ParameterUnknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastapi.dependencies.models import Dependant
    from starlette.datastructures import QueryParams
    from starlette.requests import Request


def require_known(request: Request) -> None:
    """Refuse a parameter that the route does not declare, or one value too many.

    Raises ParameterUnknown, ParameterInvalid.
    """
    if not request.scope.get("query_string"):
        return
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    declared = _declared(route)
    if declared is None:
        return
    for name, times in _times(request.query_params):
        if name not in declared:
            raise ParameterUnknown(name, sorted(declared))
        if times > 1 and not declared[name]:
            raise ParameterInvalid(name, "given twice")


def options_in(query: QueryParams) -> dict[str, object]:
    """Return the options of a call that reads them itself; raises ParameterInvalid."""
    pairs = query.multi_items()
    found: dict[str, object] = dict(pairs)
    if len(found) < len(pairs):
        name = next(name for name, times in _times(query) if times > 1)
        raise ParameterInvalid(name, "given twice")
    return found


def reads_query(dependency: object) -> None:
    """Mark a dependency that reads the query itself, whatever is in it."""
    vars(dependency)["reads_query"] = True


def _times(query: QueryParams) -> list[tuple[str, int]]:
    return list(Counter(name for name, _ in query.multi_items()).items())


def _declared(route: APIRoute) -> Mapping[str, bool] | None:
    """Return the names and whether each may come several times; None: the route reads them."""
    found: dict[str, bool] = {}
    for dependant in _all(route.dependant):
        if "reads_query" in getattr(dependant.call, "__dict__", {}):
            return None
        for field in dependant.query_params:
            found[field.alias] = _takes_several(field.field_info.annotation)
    return found


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for below in dependant.dependencies:
        yield from _all(below)


def _takes_several(annotation: object) -> bool:
    return get_origin(annotation) is list or any(map(_takes_several, get_args(annotation)))
