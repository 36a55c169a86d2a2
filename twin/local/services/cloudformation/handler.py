"""Handlers in the shape of MiniStack's provisioners, for resource types it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from twin.local.services.cloudformation.properties import checked
from twin.local.services.cloudformation.schemas import resource_schema, top_level
from twin.local.services.errors import ServiceError

Properties = dict[str, Any]
Created = tuple[str, dict[str, Any]]
"""Physical id, which `Ref` gives, and the attributes of `Fn::GetAtt`."""


@dataclass(frozen=True, slots=True)
class Resource:
    """How one resource type is carried out.

    `create(properties)` and `update(physical_id, old, new)` answer the physical id and the attributes;
    `delete(physical_id, properties)` may find nothing left. `name_property` names the property that
    CloudFormation fills in when the template leaves it out; `missing` are the errors that mean "not there".
    """

    type: str
    create: Callable[[Properties], Created]
    delete: Callable[[str, Properties], None]
    update: Callable[[str, Properties, Properties], Created] | None = None
    name_property: str | None = None
    name_length: int = 63
    lower_case_name: bool = False


def handlers(resource: Resource) -> dict[str, Any]:
    """The entry for MiniStack's table of resource handlers."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        wanted = _named(resource, checked(resource.type, properties), logical_id, stack_name)
        return _run(resource, lambda: resource.create(wanted))

    def update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None = None
    ) -> Created:
        before, after = checked(resource.type, old), checked(resource.type, new)
        if _replaces(resource, before, after):
            _refuse_custom_name(resource, before, after, physical_id)
            provisioners = _provisioners()
            replaced: Created = provisioners._seeded_create(
                create, logical_id or physical_id, new, stack_name
            )
            return replaced
        if resource.update is None:
            return physical_id, {}
        change = resource.update
        named = _named(resource, after, logical_id or physical_id, stack_name)
        return _run(resource, lambda: change(physical_id, before, named))

    def delete(physical_id: str, properties: Properties) -> None:
        try:
            resource.delete(physical_id, properties)
        except ServiceError as error:
            if not _is_missing(error):
                raise _provisioning_error(resource, error) from None

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


class ProvisioningError(ValueError):
    """A failed resource, in the words of CloudFormation's events."""


def _run(resource: Resource, work: Callable[[], Created]) -> Created:
    try:
        return work()
    except ServiceError as error:
        raise _provisioning_error(resource, error) from None


def _provisioning_error(resource: Resource, error: ServiceError) -> ProvisioningError:
    service = resource.type.split("::")[1]
    details = f"Service: {service}, Status Code: {error.status}, Error Code: {error.code}"
    return ProvisioningError(f'Resource handler returned message: "{error.message} ({details})"')


def _is_missing(error: ServiceError) -> bool:
    codes = ("NotFoundException", "ObjectNotFoundException", "ResourceNotFound")
    texts = ("Could not find ", "does not exist")
    return error.code in codes or any(text in error.message for text in texts)


def _named(resource: Resource, properties: Properties, logical_id: str, stack_name: str) -> Properties:
    """The properties with a generated name, stack-logical id-suffix, where the template gives none."""
    if resource.name_property is None or resource.name_property in properties:
        return properties
    name = _provisioners()._physical_name(
        stack_name, logical_id, max_len=resource.name_length, lowercase=resource.lower_case_name
    )
    return {**properties, resource.name_property: name}


def _replaces(resource: Resource, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    create_only = top_level(resource_schema(resource.type), "createOnlyProperties")
    return any(before.get(name) != after.get(name) for name in create_only)


def _refuse_custom_name(
    resource: Resource, before: Mapping[str, Any], after: Mapping[str, Any], physical_id: str
) -> None:
    name = before.get(resource.name_property) if resource.name_property else None
    if name is not None and name == after.get(resource.name_property or ""):
        raise ProvisioningError(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
            f"Rename {physical_id} and update the stack again."
        )


def _provisioners() -> Any:
    """MiniStack's module of provisioners: it names resources and counts replacements."""
    return import_module("ministack.services.cloudformation.provisioners")
