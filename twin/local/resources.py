"""CloudFormation resource types that MiniStack lacks, and properties that it drops of types it has.

A handler's `create` takes (logical id, properties, stack name) and returns (physical id, attributes);
`update` takes (physical id, old properties, new properties, stack name) and returns the same; `delete` takes
(physical id, properties).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from twin.local.emulator import Emulator
from twin.local.functions.install import digest_of
from twin.local.functions.packages import PackageStore
from twin.local.permissions.policy import Need, Policies

Properties = dict[str, Any]
Handler = dict[str, Callable[..., Any]]


def register(
    emulator: Emulator, packages: PackageStore, policies: Policies, handlers: dict[str, Handler]
) -> None:
    """Add `handlers` and our own to MiniStack's table, before it restores its state."""
    table: dict[str, Handler] = emulator.provisioners._RESOURCE_HANDLERS
    table.update(handlers)
    table["AWS::EC2::FlowLog"] = flow_log(emulator.provisioners._ec2)
    for direction in ("Ingress", "Egress"):
        table[f"AWS::EC2::SecurityGroup{direction}"] = security_group_rule(emulator.provisioners, direction)
    table["AWS::WAFv2::WebACLAssociation"] = web_acl_association(emulator.provisioners._waf)
    table["AWS::S3::Bucket"] = _encrypted_bucket(table["AWS::S3::Bucket"], emulator)
    table["AWS::ApiGateway::RestApi"] = _keyed_api(table["AWS::ApiGateway::RestApi"], emulator)
    table["AWS::ApiGateway::Method"] = _streamed_method(table["AWS::ApiGateway::Method"], emulator)
    table["AWS::ApiGateway::Stage"] = _logged_stage(table["AWS::ApiGateway::Stage"], emulator)
    table["AWS::DynamoDB::Table"] = _protected_table(table["AWS::DynamoDB::Table"], emulator.tables)
    secret = table["AWS::SecretsManager::Secret"]
    table["AWS::SecretsManager::Secret"] = _secret_by_arn(secret, emulator.secrets)
    table["AWS::SNS::Topic"] = _encrypted_topic(table["AWS::SNS::Topic"], emulator.topics)
    mapping = table["AWS::Lambda::EventSourceMapping"]
    table["AWS::Lambda::EventSourceMapping"] = _permitted_mapping(mapping, emulator, policies)
    table["AWS::Lambda::LayerVersion"] = _unpacked_layer(
        table["AWS::Lambda::LayerVersion"], emulator, packages
    )


def flow_log(ec2: Any) -> Handler:
    """AWS::EC2::FlowLog: described by the EC2 API; records no traffic, for there is none."""

    def create(_logical_id: str, properties: Properties, _stack: str) -> tuple[str, dict[str, str]]:
        identifier = f"fl-{uuid.uuid4().hex[:17]}"
        ec2._flow_logs[identifier] = {
            "FlowLogId": identifier,
            "ResourceId": properties["ResourceId"],
            "ResourceType": properties["ResourceType"],
            "TrafficType": properties.get("TrafficType", "ALL"),
            "LogDestinationType": properties.get("LogDestinationType", "cloud-watch-logs"),
            "LogDestination": properties.get("LogDestination") or properties.get("LogGroupName", ""),
            "FlowLogStatus": "ACTIVE",
            "CreationTime": ec2._now_ts(),
        }
        return identifier, {"Id": identifier}

    def update(physical_id: str, _old: Properties, new: Properties, stack: str) -> tuple[str, dict[str, str]]:
        delete(physical_id, new)
        return create(physical_id, new, stack)

    def delete(physical_id: str, _properties: Properties) -> None:
        ec2._flow_logs.pop(physical_id, None)

    return {"create": create, "update": update, "delete": delete}


def security_group_rule(provisioners: Any, direction: str) -> Handler:
    """AWS::EC2::SecurityGroupIngress and …Egress: a rule of a group that another resource made."""
    field = "IpPermissions" if direction == "Ingress" else "IpPermissionsEgress"

    def create(_logical_id: str, properties: Properties, _stack: str) -> tuple[str, dict[str, str]]:
        group = provisioners._ec2._security_groups.get(properties["GroupId"])
        if group is None:
            message = f"The security group '{properties['GroupId']}' does not exist"
            raise ValueError(message)
        identifier = f"sgr-{uuid.uuid4().hex[:17]}"
        rules = provisioners._ec2_sg_permissions([properties])
        group[field] += [{**rule, "SecurityGroupRuleId": identifier} for rule in rules]
        return identifier, {"Id": identifier}

    def update(physical_id: str, old: Properties, new: Properties, stack: str) -> tuple[str, dict[str, str]]:
        delete(physical_id, old)
        return create(physical_id, new, stack)

    def delete(physical_id: str, properties: Properties) -> None:
        group = provisioners._ec2._security_groups.get(properties["GroupId"])
        if group is not None:
            group[field] = [rule for rule in group[field] if rule.get("SecurityGroupRuleId") != physical_id]

    return {"create": create, "update": update, "delete": delete}


def web_acl_association(waf: Any) -> Handler:
    """AWS::WAFv2::WebACLAssociation: recorded; no request is inspected."""

    def create(_logical_id: str, properties: Properties, _stack: str) -> tuple[str, dict[str, str]]:
        status, _, body = waf._associate_web_acl(properties)
        if status >= 400:
            message = f"AWS::WAFv2::WebACLAssociation failed: {body!r}"
            raise ValueError(message)
        return f"{properties['WebACLArn']}|{properties['ResourceArn']}", {}

    def update(_physical_id: str, old: Properties, new: Properties, stack: str) -> tuple[str, dict[str, str]]:
        waf._disassociate_web_acl(old)
        return create("", new, stack)

    def delete(_physical_id: str, properties: Properties) -> None:
        waf._disassociate_web_acl(properties)

    return {"create": create, "update": update, "delete": delete}


def _encrypted_bucket(handler: Handler, emulator: Emulator) -> Handler:
    """AWS::S3::Bucket with `BucketEncryption`.

    Encryption with the key that AWS manages is not recorded: MiniStack would refuse the uploads of
    `cdk deploy`, which name no key then.
    """

    def set_encryption(name: str, properties: Properties) -> None:
        rules = (properties.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration") or []
        default = rules[0]["ServerSideEncryptionByDefault"] if rules else {}
        key = default.get("KMSMasterKeyID")
        if not default or (default["SSEAlgorithm"] != "AES256" and key is None):
            emulator.objects._bucket_encryption.pop(name, None)
            return
        emulator.objects._bucket_encryption[name] = (
            '<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>'
            f"<ApplyServerSideEncryptionByDefault><SSEAlgorithm>{default['SSEAlgorithm']}</SSEAlgorithm>"
            f"{f'<KMSMasterKeyID>{key}</KMSMasterKeyID>' if key else ''}</ApplyServerSideEncryptionByDefault>"
            f"<BucketKeyEnabled>{str(rules[0].get('BucketKeyEnabled', False)).lower()}</BucketKeyEnabled>"
            "</Rule></ServerSideEncryptionConfiguration>"
        )

    return _then(handler, set_encryption)


def _keyed_api(handler: Handler, emulator: Emulator) -> Handler:
    """AWS::ApiGateway::RestApi with `ApiKeySourceType`, which MiniStack reads on updates only."""

    def set_source(api_id: str, properties: Properties) -> None:
        emulator.api._rest_apis[api_id]["apiKeySource"] = properties.get("ApiKeySourceType", "HEADER")

    return _then(handler, set_source)


def _streamed_method(handler: Handler, emulator: Emulator) -> Handler:
    """AWS::ApiGateway::Method with `Integration.ResponseTransferMode`."""

    def set_mode(_physical_id: str, properties: Properties) -> None:
        resource = (emulator.api._resources.get(properties["RestApiId"]) or {}).get(properties["ResourceId"])
        integration = (resource or {}).get("resourceMethods", {}).get(properties["HttpMethod"], {})
        if "methodIntegration" in integration:
            mode = properties["Integration"].get("ResponseTransferMode", "BUFFERED")
            integration["methodIntegration"]["responseTransferMode"] = mode

    return _then(handler, set_mode)


def _logged_stage(handler: Handler, emulator: Emulator) -> Handler:
    """AWS::ApiGateway::Stage with `AccessLogSetting`."""

    def set_access_log(_physical_id: str, properties: Properties) -> None:
        stage = (emulator.api._stages_v1.get(properties["RestApiId"]) or {}).get(properties["StageName"])
        if stage is not None:
            setting = properties.get("AccessLogSetting") or {}
            stage["accessLogSettings"] = {
                "destinationArn": setting.get("DestinationArn", ""),
                "format": setting.get("Format", ""),
            }

    return _then(handler, set_access_log)


def _protected_table(handler: Handler, tables: Any) -> Handler:
    """AWS::DynamoDB::Table with its key, time to live and point-in-time recovery."""

    def protect(name: str, properties: Properties) -> None:
        table = tables._tables[name]
        table["SSEDescription"] = _table_encryption(tables, properties.get("SSESpecification"))
        recovery = properties.get("PointInTimeRecoverySpecification") or {}
        enabled = str(recovery.get("PointInTimeRecoveryEnabled", False)).lower() == "true"
        tables._pitr_settings[name] = enabled
        expiry = properties.get("TimeToLiveSpecification") or {}
        if str(expiry.get("Enabled", False)).lower() == "true":
            tables._ttl_settings[name] = {
                "TimeToLiveStatus": "ENABLED",
                "AttributeName": expiry["AttributeName"],
            }
        else:
            tables._ttl_settings.pop(name, None)
        for index in table.get("GlobalSecondaryIndexes") or ():
            index["IndexStatus"] = "ACTIVE"
            index["IndexArn"] = f"{table['TableArn']}/index/{index['IndexName']}"

    return _then(handler, protect)


def _table_encryption(tables: Any, specification: Properties | None) -> Any:
    if not specification:
        return None
    enabled = str(specification.get("SSEEnabled", False)).lower() == "true"
    return tables._sse_description_from_spec({**specification, "Enabled": enabled})


def _secret_by_arn(handler: Handler, secrets: Any) -> Handler:
    """AWS::SecretsManager::Secret, whose `Ref` is its ARN."""

    def name_of(arn: str) -> str:
        return str(secrets._resolve(arn)[0] or arn)

    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        _, attributes = handler["create"](logical_id, properties, stack)
        return attributes["Arn"], attributes

    def update(arn: str, old: Properties, new: Properties, *rest: Any) -> Any:
        _, attributes = handler["update"](name_of(arn), old, new, *rest)
        return attributes["Arn"], attributes

    def delete(arn: str, properties: Properties) -> None:
        handler["delete"](name_of(arn), properties)

    return {**handler, "create": create, "update": update, "delete": delete}


def _encrypted_topic(handler: Handler, topics: Any) -> Handler:
    """AWS::SNS::Topic with its key."""

    def set_key(arn: str, properties: Properties) -> None:
        attributes = topics._topics[arn]["attributes"]
        if properties.get("KmsMasterKeyId"):
            attributes["KmsMasterKeyId"] = properties["KmsMasterKeyId"]
        else:
            attributes.pop("KmsMasterKeyId", None)

    return _then(handler, set_key)


def _unpacked_layer(handler: Handler, emulator: Emulator, packages: PackageStore) -> Handler:
    """AWS::Lambda::LayerVersion, its archive unpacked at once: kept neither in memory nor in saved state."""

    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        arn, attributes = handler["create"](logical_id, properties, stack)
        name = arn.split(":")[6]
        for version in emulator.functions._layers[name]["versions"]:
            archive = version.get("_zip_data")
            if archive:
                packages.unpack_named(digest_of(version["Content"]["CodeSha256"]), archive)
                version["_zip_data"] = None
        return arn, attributes

    return {**handler, "create": create}


def _permitted_mapping(handler: Handler, emulator: Emulator, policies: Policies) -> Handler:
    """AWS::Lambda::EventSourceMapping, refused when the function's role may not read the queue."""

    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        source = properties.get("EventSourceArn", "")
        _, config, _ = emulator.functions._get_func_record_for_ref(properties["FunctionName"])
        if ":sqs:" in source and config is not None:
            for operation in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
                if not policies.role_allows(config["Role"], Need(f"sqs:{operation}", source)):
                    message = (
                        f"The provided execution role does not have permissions to call {operation} on SQS"
                    )
                    raise ValueError(message)
        return handler["create"](logical_id, properties, stack)

    return {**handler, "create": create}


def _then(handler: Handler, after: Callable[[str, Properties], None]) -> Handler:
    """A handler whose create and update are followed by `after`, with the physical id and new properties."""

    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        made = handler["create"](logical_id, properties, stack)
        after(made[0], properties)
        return made

    def update(physical_id: str, old: Properties, new: Properties, *rest: Any) -> Any:
        made = handler["update"](physical_id, old, new, *rest)
        after(made[0], new)
        return made

    return {**handler, "create": create, "update": update}
