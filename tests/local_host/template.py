"""The CloudFormation template of the stack that the tests of this folder use."""

from __future__ import annotations

from typing import Any

Resource = dict[str, Any]

GATEWAY = "arn:aws:apigateway:us-east-1:lambda:path"
ACCESS_LOG = (
    '{"status":"$context.status","path":"$context.path","key":"$context.identity.apiKeyId",'
    '"who":"$context.authorizer.principalId","error":"$context.error.responseType"}'
)
WEB_ADAPTER = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerArm64:27"


def template() -> dict[str, Any]:
    """Functions, an API with keys, buckets, vectors, a network."""
    resources = {**data(), **functions(), **api(), **methods(), **keys(), **network()}
    names = ("Api", "Handler", "Web", "Proxy", "Bucket", "Sealed", "HandlerRole", "FlowLog")
    outputs = {name: {"Value": {"Ref": name}} for name in names}
    outputs |= {name: {"Value": arn(name)} for name in ("NoRights", "Queue", "Acl", "Key")}
    outputs |= {"Index": {"Value": get("Index", "IndexArn")}, "Group": {"Value": get("Group", "GroupId")}}
    return {"Resources": resources, "Outputs": outputs}


def resource(kind: str, /, *, after: tuple[str, ...] = (), **properties: Any) -> Resource:
    """A resource; `kind` is its type without `AWS::`."""
    return {"Type": f"AWS::{kind}", "Properties": properties, **({"DependsOn": list(after)} if after else {})}


def get(name: str, attribute: str) -> dict[str, Any]:
    """A resource's attribute."""
    return {"Fn::GetAtt": [name, attribute]}


def arn(name: str) -> dict[str, Any]:
    """A resource's ARN."""
    return get(name, "Arn")


def policy(*statements: Resource) -> Resource:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str, target: Any) -> Resource:
    """A statement of an identity policy."""
    return {"Effect": "Allow", "Action": action, "Resource": target}


def data() -> dict[str, Resource]:
    """Two buckets, one of them encrypted with a key, and a vector index."""
    root = {"AWS": "arn:aws:iam::000000000000:root"}
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn("Key")}
    tls_only = {
        "Effect": "Deny",
        "Action": "s3:*",
        "Principal": {"AWS": "*"},
        "Resource": [arn("Bucket"), {"Fn::Sub": "${Bucket.Arn}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {
        "Key": resource("KMS::Key", KeyPolicy=policy({**allow("kms:*", "*"), "Principal": root})),
        "Bucket": resource("S3::Bucket"),
        "TlsOnly": resource("S3::BucketPolicy", Bucket={"Ref": "Bucket"}, PolicyDocument=policy(tls_only)),
        "Sealed": resource(
            "S3::Bucket",
            BucketEncryption={
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": encryption}]
            },
        ),
        "Vectors": resource("S3Vectors::VectorBucket", VectorBucketName="host-test-vectors"),
        "Index": resource(
            "S3Vectors::Index",
            VectorBucketArn=get("Vectors", "VectorBucketArn"),
            IndexName="corpus",
            DataType="float32",
            Dimension=2,
            DistanceMetric="cosine",
        ),
        "Queue": resource("SQS::Queue"),
    }


def role(*statements: Resource) -> Resource:
    """A role for functions."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    own = {"PolicyName": "own", "PolicyDocument": policy(*statements)}
    return resource("IAM::Role", AssumeRolePolicyDocument=policy(trust), Policies=[own] if statements else [])


def function(package: str, handler: str, of_role: str = "NoRights", **properties: Any) -> Resource:
    """A function from one of the packages that the fixtures upload."""
    code = {"S3Bucket": "code", "S3Key": f"{package}.zip"}
    return resource(
        "Lambda::Function", Runtime="python3.13", Handler=handler, Role=arn(of_role), Code=code, **properties
    )


def functions() -> dict[str, Resource]:
    """A handler with rights of its own, one for the API, an authorizer, and a web server."""
    rights = (
        allow("s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/allowed/*"}),
        allow("s3:PutObject", {"Fn::Sub": "${Sealed.Arn}/*"}),
        allow("s3vectors:QueryVectors", get("Index", "IndexArn")),
        allow("sagemaker:InvokeEndpoint", "arn:aws:sagemaker:us-east-1:000000000000:endpoint/own"),
    )
    adapter = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_READINESS_CHECK_PATH": "/health",
    }
    return {
        "HandlerRole": role(*rights),
        "NoRights": role(),
        "Layer": resource("Lambda::LayerVersion", Content={"S3Bucket": "code", "S3Key": "layer.zip"}),
        "Handler": function(
            "handler",
            "handler.handler",
            "HandlerRole",
            Timeout=2,
            MemorySize=256,
            Layers=[{"Ref": "Layer"}],
            Environment={"Variables": {"COLOUR": "green"}},
            LoggingConfig={"LogGroup": "/test/handler"},
        ),
        "Proxy": function("handler", "handler.proxy"),
        "Authorizer": function("authorizer", "authorizer.handler"),
        "Web": function(
            "web", "run.sh", Timeout=30, Layers=[WEB_ADAPTER], Environment={"Variables": adapter}
        ),
    }


def api() -> dict[str, Resource]:
    """The API, its authorizer, its error answers, and who may be invoked."""
    base = "arn:aws:execute-api:us-east-1:000000000000:${Api}"

    def may_invoke(name: str, source: str) -> Resource:
        return resource(
            "Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=arn(name),
            Principal="apigateway.amazonaws.com",
            SourceArn={"Fn::Sub": f"{base}/{source}"},
        )

    def on(kind: str, status: str, **headers: str) -> Resource:
        code = kind.lower()
        text = f'{{"error":{{"message":$context.error.messageString,"code":"{code}"}}}}'
        return resource(
            "ApiGateway::GatewayResponse",
            RestApiId={"Ref": "Api"},
            ResponseType=kind,
            StatusCode=status,
            ResponseTemplates={"application/json": text},
            ResponseParameters={
                f"gatewayresponse.header.{name.replace('_', '-')}": f"'{value}'"
                for name, value in headers.items()
            },
        )

    return {
        "Api": resource(
            "ApiGateway::RestApi",
            Name="test",
            ApiKeySourceType="AUTHORIZER",
            BinaryMediaTypes=["multipart/form-data"],
        ),
        "Tokens": resource(
            "ApiGateway::Authorizer",
            Name="keys",
            RestApiId={"Ref": "Api"},
            Type="TOKEN",
            IdentitySource="method.request.header.Authorization",
            AuthorizerResultTtlInSeconds=300,
            AuthorizerUri={"Fn::Sub": f"{GATEWAY}/2015-03-31/functions/${{Authorizer.Arn}}/invocations"},
        ),
        "MayAuthorize": may_invoke("Authorizer", "authorizers/${Tokens}"),
        "MayAnswer": may_invoke("Proxy", "v/GET/buffered"),
        "MayBreak": may_invoke("Proxy", "v/GET/broken"),
        "MayServe": may_invoke("Web", "*/*/*"),
        "OnUnknownKey": on("INVALID_API_KEY", "401"),
        "OnNoKey": on("UNAUTHORIZED", "401"),
        "OnThrottled": on("THROTTLED", "429", Retry_After="1"),
        "OnQuota": on("QUOTA_EXCEEDED", "429", x_should_retry="false"),
        "OnTooLarge": on("REQUEST_TOO_LARGE", "413"),
    }


def methods() -> dict[str, Resource]:
    """The API's methods, deployed as stage `v` with access logs."""
    made: dict[str, Resource] = {}

    def add(
        name: str,
        path: str,
        target: str,
        *,
        stream: bool,
        keyed: bool,
        timeout_ms: int = 29_000,
        below: str | None = None,
        method: str = "GET",
    ) -> None:
        version, tail = (
            ("2021-11-15", "response-streaming-invocations") if stream else ("2015-03-31", "invocations")
        )
        parent = {"Ref": f"{below}Path"} if below else get("Api", "RootResourceId")
        made[f"{name}Path"] = resource(
            "ApiGateway::Resource", RestApiId={"Ref": "Api"}, ParentId=parent, PathPart=path
        )
        integration = {
            "Type": "AWS_PROXY",
            "IntegrationHttpMethod": "POST",
            "TimeoutInMillis": timeout_ms,
            "Uri": {"Fn::Sub": f"{GATEWAY}/{version}/functions/${{{target}.Arn}}/{tail}"},
            "ResponseTransferMode": "STREAM" if stream else "BUFFERED",
        }
        check = {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "Tokens"}, "ApiKeyRequired": True}
        made[name] = resource(
            "ApiGateway::Method",
            RestApiId={"Ref": "Api"},
            ResourceId={"Ref": f"{name}Path"},
            HttpMethod="ANY" if path == "{proxy+}" else method,
            Integration=integration,
            **(check if keyed else {"AuthorizationType": "NONE"}),
        )

    add("Served", "{proxy+}", "Web", stream=True, keyed=False)
    add("Slow", "silent", "Web", stream=True, keyed=False, timeout_ms=500)
    add("Keyed", "keyed", "Web", stream=True, keyed=True)
    add("Removed", "{id}", "Web", stream=True, keyed=True, below="Keyed", method="DELETE")
    add("Buffered", "buffered", "Proxy", stream=False, keyed=True)
    add("Broken", "broken", "Proxy", stream=False, keyed=False)
    add("Denied", "denied", "Proxy", stream=False, keyed=False)
    answers = ("OnUnknownKey", "OnNoKey", "OnThrottled", "OnQuota", "OnTooLarge")
    made["Deployment"] = resource("ApiGateway::Deployment", after=(*made, *answers), RestApiId={"Ref": "Api"})
    made["AccessLogs"] = resource("Logs::LogGroup", LogGroupName="/test/access")
    made["Stage"] = resource(
        "ApiGateway::Stage",
        RestApiId={"Ref": "Api"},
        DeploymentId={"Ref": "Deployment"},
        StageName="v",
        AccessLogSetting={"DestinationArn": arn("AccessLogs"), "Format": ACCESS_LOG},
    )
    return made


def keys() -> dict[str, Resource]:
    """Three keys: `roomy`, `tiny` (two requests a day) and `slow` (one request a second)."""
    made: dict[str, Resource] = {}
    for name, rate, quota in (("Roomy", 1000, 100_000), ("Tiny", 1000, 2), ("Slow", 1, 1000)):
        made[f"{name}Key"] = resource("ApiGateway::ApiKey", Name=name.lower(), Enabled=True)
        made[f"{name}Plan"] = resource(
            "ApiGateway::UsagePlan",
            after=("Stage",),
            UsagePlanName=name.lower(),
            ApiStages=[{"ApiId": {"Ref": "Api"}, "Stage": "v"}],
            Throttle={"RateLimit": rate, "BurstLimit": rate},
            Quota={"Limit": quota, "Period": "DAY"},
        )
        made[f"{name}Member"] = resource(
            "ApiGateway::UsagePlanKey",
            KeyId={"Ref": f"{name}Key"},
            KeyType="API_KEY",
            UsagePlanId={"Ref": f"{name}Plan"},
        )
    return made


def network() -> dict[str, Resource]:
    """Resource types that MiniStack lacks."""
    visibility = {"CloudWatchMetricsEnabled": False, "MetricName": "acl", "SampledRequestsEnabled": False}
    stage = {"Fn::Sub": "arn:aws:apigateway:us-east-1::/restapis/${Api}/stages/v"}
    vpc = {"Ref": "Vpc"}
    return {
        "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
        "FlowLog": resource(
            "EC2::FlowLog", ResourceId=vpc, ResourceType="VPC", TrafficType="REJECT", LogGroupName="flows"
        ),
        "Group": resource("EC2::SecurityGroup", GroupDescription="group", VpcId=vpc),
        "Ingress": resource(
            "EC2::SecurityGroupIngress",
            GroupId=get("Group", "GroupId"),
            IpProtocol="tcp",
            FromPort=443,
            ToPort=443,
            CidrIp="10.0.0.0/16",
        ),
        "Acl": resource(
            "WAFv2::WebACL",
            Name="acl",
            Scope="REGIONAL",
            DefaultAction={"Allow": {}},
            VisibilityConfig=visibility,
        ),
        "AclOfStage": resource(
            "WAFv2::WebACLAssociation", after=("Stage",), WebACLArn=arn("Acl"), ResourceArn=stage
        ),
    }
