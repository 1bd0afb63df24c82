"""What the API answers to bad requests: documented code and status, and a server that goes on as before."""

import datetime
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from volcengine.ApiInfo import ApiInfo

from openapi import Api, ApiError
from process import eventually

VERSION = "2023-11-01"
VERSIONS = ["2020-12-01", "2022-06-01", "2023-06-01", "2023-11-01"]
STREAM = {"UserId": "u"}


def query(action="StartRecord", version=VERSION):
    return {"Action": action, "Version": version}


@pytest.fixture(autouse=True)
def below_the_rate_limit(server, monkeypatch):
    """These tests call faster than the API allows; a client that is told so tries again."""
    send = Api.raw

    def patient(self, *arguments, **options):
        return eventually(lambda: (answer := send(self, *arguments, **options))[0] != 429 and answer, "below the limit")

    monkeypatch.setattr(Api, "raw", patient)


def refusal(answer):
    """HTTP status and code of a refusal; everything else of the envelope is checked here."""
    status, body = answer
    metadata = body["ResponseMetadata"]
    assert {"RequestId", "Action", "Version", "Service", "Region", "Error"} <= metadata.keys()
    assert metadata["Service"] == "rtc"
    assert metadata["Error"]["Message"]
    # Clients in Go cannot decode an object here.
    assert not isinstance(body.get("Result"), dict)
    return status, metadata["Error"]["Code"]


def test_unknown_action_and_version(server):
    body = b"{}"
    assert refusal(server.api.raw("POST", query("Nonsense"), body)) == (404, "InvalidActionOrVersion")
    assert refusal(server.api.raw("POST", query(version="2019-01-01"), body)) == (404, "InvalidActionOrVersion")
    assert refusal(server.api.raw("POST", {"Version": VERSION}, body)) == (400, "MissingParameter.NoAction")
    assert refusal(server.api.raw("POST", {"Action": "StartRecord"}, body)) == (400, "MissingParameter.NoVersion")


def test_wrong_method(server):
    assert refusal(server.api.raw("GET", query())) == (404, "InvalidActionOrVersion")


def test_signatures_that_do_not_hold(server):
    api, body = server.api, json.dumps(server.api.start_body("r", "t")).encode()

    def code(spoil):
        return refusal(api.raw("POST", query(), body, spoil))

    def header(name, change):
        def spoil(url, headers, body):
            changed = change(headers[name])
            rest = {k: v for k, v in headers.items() if k != name}
            return url, ({**rest, name: changed} if changed is not None else rest), body

        return spoil

    assert code(lambda u, h, b: (u, h, b.replace(b'"t"', b'"x"'))) == (401, "SignatureDoesNotMatch")
    assert code(lambda u, h, b: (u + "&More=1", h, b)) == (401, "SignatureDoesNotMatch")
    assert code(header("Authorization", lambda a: a[:-4] + "0000")) == (401, "SignatureDoesNotMatch")
    assert code(header("Authorization", lambda a: a.split(", Signature")[0])) == (401, "MissingSignature")
    assert code(header("Authorization", lambda _: "Basic abc")) == (400, "InvalidAuthorization")
    assert code(header("Authorization", lambda _: None)) == (401, "MissingAuthenticationToken")
    assert code(header("Authorization", lambda a: a.replace("/rtc/", "/vod/"))) == (400, "InvalidCredential")
    assert code(header("X-Date", lambda _: None)) == (400, "MissingRequestInfo")
    stranger = Api(api.port, api.app_id, "AKstranger", "secret")
    assert refusal(stranger.raw("POST", query(), body)) == (401, "InvalidAccessKey")
    thief = Api(api.port, api.app_id, api.credentials.ak, "another secret")
    assert refusal(thief.raw("POST", query(), body)) == (401, "SignatureDoesNotMatch")


@pytest.mark.parametrize("hours", [-1, 1], ids=["expired", "from the future"])
def test_date_out_of_range(server, monkeypatch, hours):
    signed = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    stamp = signed.strftime("%Y%m%dT%H%M%SZ")
    monkeypatch.setattr("volcengine.auth.SignerV4.SignerV4.get_current_format_date", staticmethod(lambda: stamp))
    assert refusal(server.api.raw("POST", query(), b"{}")) == (400, "InvalidTimestamp")


def test_query_signature(server):
    api = server.api
    infos = {"GetRecordTask": ApiInfo("GET", "/", query("GetRecordTask"), {}, {})}
    api.service.api_info.update(infos)
    address = api.service.get_sign_url("GetRecordTask", api.ids("r", "never-started"))
    spoilt = address.replace("RoomId=r", "RoomId=s")
    for signed, want in [(address, "InvalidParameter"), (spoilt, "SignatureDoesNotMatch")]:
        answer = requests.get(f"http://127.0.0.1:{api.port}/?{signed}", timeout=30)
        assert refusal((answer.status_code, answer.json()))[1].startswith(want)


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (b"", "InvalidParameter.BodyIsEmpty"),
        (b"{", "InvalidParameter.Unmarshal"),
        (b"[]", "InvalidParameter.Unmarshal"),
        (b'"text"', "InvalidParameter.Unmarshal"),
        (b"\xff\xfe{}", "InvalidParameter.Unmarshal"),
        (b"[" * 100_000, "InvalidParameter.Unmarshal"),
        (b"{}", "MissingParameter.NoAppId"),
    ],
    ids=["empty", "cut", "list", "text", "not UTF-8", "deep", "no fields"],
)
def test_malformed_bodies(server, body, want):
    assert refusal(server.api.raw("POST", query(), body)) == (400, want)


def test_a_body_of_ten_megabytes(server):
    body = b'{"AppId": "' + b"a" * 10_000_000 + b'"}'
    assert refusal(server.api.raw("POST", query(), body)) == (413, "InvalidParameter.BodyTooLarge")


VOD = {"Type": 1, "VodConfig": {"AccountId": "1", "Space": "s"}}
BAD_FIELDS = [
    ({"AppId": "another app of 24 letters"}, "InvalidParameter"),
    ({"RoomId": ""}, "InvalidParameter.IllegalRoomID"),
    ({"RoomId": "a room"}, "InvalidParameter.IllegalRoomID"),
    ({"RoomId": "r" * 129}, "InvalidParameter.IllegalRoomID"),
    ({"RoomId": None}, "MissingParameter.NoRoomId"),
    ({"TaskId": "../../etc/passwd"}, "InvalidParameter"),
    ({"TaskId": 5}, "InvalidParameter"),
    ({"TaskId": None}, "InvalidParameter"),
    ({"BusinessId": "b!"}, "InvalidParameter"),
    ({"RecordMode": 2}, "InvalidParameter"),
    ({"RecordMode": "1"}, "InvalidParameter"),
    ({"TargetStreams": []}, "InvalidParameter"),
    ({"TargetStreams": {"StreamList": [{"StreamType": 0}]}}, "MissingParameter.NoUserId"),
    ({"TargetStreams": {"StreamList": [{**STREAM, "StreamType": 2}]}}, "InvalidParameter"),
    ({"TargetStreams": {"StreamList": [{"UserId": f"u{i}"} for i in range(18)]}}, "InvalidParameter"),
    ({"ExcludeStreams": {"StreamList": [{"UserId": f"u{i}"} for i in range(18)]}}, "InvalidParameter"),
    (
        {"TargetStreams": {"StreamList": [STREAM]}, "ExcludeStreams": {"StreamList": [STREAM]}},
        "InvalidParameter",
    ),
    ({"Encode": {"VideoWidth": 641}}, "InvalidParameter"),
    ({"Encode": {"VideoWidth": 1922}}, "InvalidParameter"),
    ({"Encode": {"VideoHeight": 0}}, "InvalidParameter"),
    ({"Encode": {"VideoFps": 61}}, "InvalidParameter"),
    ({"Encode": {"VideoFps": 29.97}}, "InvalidParameter"),
    ({"Encode": {"VideoBitrate": 10_001}}, "InvalidParameter"),
    ({"Encode": {"VideoCodec": 2}}, "InvalidParameter"),
    ({"Encode": {"VideoGop": 0}}, "InvalidParameter"),
    ({"Encode": {"AudioCodec": 1}}, "InvalidParameter"),
    ({"Encode": {"AudioProfile": 3}}, "InvalidParameter"),
    ({"Encode": {"AudioBitrate": 31}}, "InvalidParameter"),
    ({"Encode": {"AudioSampleRate": 8000}}, "InvalidParameter"),
    ({"Encode": {"AudioChannels": 3}}, "InvalidParameter"),
    ({"Control": {"MediaType": 2}}, "InvalidParameter"),
    ({"Control": {"FrameInterpolationMode": 2}}, "InvalidParameter"),
    ({"Control": {"MaxIdleTime": 9}}, "InvalidParameter"),
    ({"Control": {"MaxIdleTime": 86_401}}, "InvalidParameter"),
    ({"Control": {"MaxRecordTime": -1}}, "InvalidParameter"),
    ({"Control": {"MaxSilenceSeconds": 59}}, "InvalidParameter"),
    ({"Control": {"MaxSilenceSeconds": 3601}}, "InvalidParameter"),
    ({"Control": {"EnableSyncUpload": True}}, "InvalidParameter"),
    ({"FileFormatConfig": {"FileFormat": ["AVI"]}}, "InvalidParameter"),
    ({"FileNameConfig": {"Prefix": ["a/b"]}}, "InvalidParameter"),
    ({"FileNameConfig": {"Prefix": ["a" * 128]}}, "InvalidParameter"),
    ({"FileNameConfig": {"Pattern": 7}}, "InvalidParameter"),
    ({"StorageConfig": None}, "InvalidParameter"),
    ({"StorageConfig": {"Type": 4}}, "InvalidParameter"),
    ({"StorageConfig": {"Type": 1}}, "InvalidParameter"),
    ({"StorageConfig": {"Type": 1, "VodConfig": {"Space": "s"}}}, "MissingParameter.NoAccount"),
    ({"StorageConfig": {"Type": 1, "VodConfig": {"AccountId": "1"}}}, "InvalidParameter"),
    ({"StorageConfig": {"Type": 1, "VodConfig": {**VOD["VodConfig"], "Region": 9}}}, "InvalidParameter"),
]


@pytest.mark.parametrize(("fields", "want"), BAD_FIELDS, ids=[json.dumps(f)[:60] for f, _ in BAD_FIELDS])
def test_a_field_out_of_range(server, fields, want):
    body = {**server.api.start_body("fields", "t"), **fields}
    body = {name: value for name, value in body.items() if value is not None}
    status, code = refusal(server.api.raw("POST", query(), json.dumps(body).encode()))
    assert (status, code.split(".")[: len(want.split("."))]) == (400, want.split("."))


@pytest.mark.parametrize("version", VERSIONS)
def test_status_of_a_refusal_follows_the_version(server, version):
    body = json.dumps(server.api.ids("nobody", "never-started")).encode()
    status, code = refusal(server.api.raw("POST", query("StopRecord", version), body))
    assert code == "InvalidParameter.ErrorActiveTaskNotFound"
    assert status == (200 if version < "2023-06-01" else 400)


def test_unknown_tasks(server):
    for action in ("StopRecord", "GetRecordTask"):
        with pytest.raises(ApiError) as refused:
            server.api.call(action, server.api.ids("nobody", "never-started"))
        assert refused.value.code == "InvalidParameter.ErrorActiveTaskNotFound"
    with pytest.raises(ApiError) as refused:
        server.api.call("UpdateRecord", server.api.ids("nobody", "never-started"))
    assert refused.value.code == "InvalidParameter.ErrorActiveTaskNotFound"


def test_a_single_stream_task_cannot_be_updated(server):
    server.api.start("update", "t")
    with pytest.raises(ApiError) as refused:
        server.api.call("UpdateRecord", server.api.ids("update", "t"))
    assert refused.value.code == "UpdateError.UpdateSingleStreamRecordNotSupported"
    server.api.stop("update", "t")


def test_two_starts_at_once_make_one_task(server):
    def start(_):
        return server.api.raw("POST", query(), json.dumps(server.api.start_body("twice", "t")).encode())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(start, range(8)))
    assert [status for status, _ in answers] == [200] * 8
    results = [body["Result"] for _, body in answers]
    assert results.count("ok") == 1, results
    assert sum("repeatedly" in result for result in results) == 7, results
    server.api.stop("twice", "t")


def test_the_server_is_unaffected(server):
    """Runs last in this file: after all of the above the process is the same and still does its work."""
    assert server.process.popen.poll() is None
    assert not [line for line in server.process.lines if "panicked" in line]
    server.api.start("after", "t")
    assert server.api.get("after", "t")["Status"] in (1, 2)
    assert server.api.stop("after", "t") == "ok"
