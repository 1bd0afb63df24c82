"""The recording API, driven by the vendor's own Python client."""

import json
import re

import requests
from volcengine.ApiInfo import ApiInfo
from volcengine.auth.SignerV4 import SignerV4
from volcengine.base.Request import Request
from volcengine.base.Service import Service
from volcengine.Credentials import Credentials
from volcengine.ServiceInfo import ServiceInfo

from process import eventually

ACTIONS = ("StartRecord", "UpdateRecord", "StopRecord", "GetRecordTask", "GetRecordReport")
READING = ("GetRecordTask", "GetRecordReport")
NOT_STARTED, RUNNING, ENDED, FAILED = 1, 2, 3, 4


class ApiError(Exception):
    """The API's own refusal: `code` is what clients test."""

    def __init__(self, answer):
        self.answer = answer
        self.error = answer["ResponseMetadata"]["Error"]
        self.code = self.error["Code"]
        super().__init__(f"{self.code}: {self.error['Message']}")


class Api:
    def __init__(self, port, app_id, access_key, secret_key, version="2023-11-01"):
        self.port, self.app_id, self.version = port, app_id, version
        self.credentials = Credentials(access_key, secret_key, "rtc", "cn-north-1")
        service = ServiceInfo(f"127.0.0.1:{port}", {"Accept": "application/json"}, self.credentials, 10, 30, "http")
        infos = {
            action: ApiInfo(
                "GET" if action in READING else "POST", "/", {"Action": action, "Version": version}, {}, {}
            )
            for action in ACTIONS
        }
        self.service = Service(service, infos)

    def call(self, action, body):
        """The `Result` of one call by the vendor's client; raises ApiError on a refusal."""
        try:
            if action in READING:
                answer = json.loads(self.service.get(action, body))
            else:
                answer = json.loads(self.service.json(action, {}, json.dumps(body)))
        except requests.RequestException:
            raise
        except Exception as refusal:  # the client knows no better type
            text = refusal.args[0]
            raise ApiError(json.loads(text)) from refusal
        if "Error" in answer["ResponseMetadata"]:
            raise ApiError(answer)
        return answer.get("Result")

    def ids(self, room, task):
        return {"AppId": self.app_id, "RoomId": room, "TaskId": task}

    def start(self, room, task, **fields):
        """Starts a single-stream task that stores into the local library."""
        return self.call("StartRecord", {**self.start_body(room, task), **fields})

    def start_body(self, room, task):
        return {
            **self.ids(room, task),
            "RecordMode": 1,
            "FileFormatConfig": {"FileFormat": ["MP4"]},
            "StorageConfig": {"Type": 1, "VodConfig": {"AccountId": "2100000000", "Space": "tests", "Region": 0}},
        }

    def get(self, room, task):
        return self.call("GetRecordTask", self.ids(room, task))["RecordTask"]

    def report(self, room, task):
        return self.call("GetRecordReport", self.ids(room, task))

    def stop(self, room, task):
        return self.call("StopRecord", self.ids(room, task))

    def wait_status(self, room, task, status, deadline_s=60):
        return eventually(
            lambda: (found := self.get(room, task))["Status"] == status and found, f"task status {status}", deadline_s
        )

    def signed(self, method, query, body=b"", content_type="application/json"):
        """A signed request as method, URL, headers and body, for tests that then spoil it."""
        request = Request()
        request.set_schema("http")
        request.set_method(method)
        request.set_path("/")
        request.set_host(f"127.0.0.1:{self.port}")
        request.set_query(dict(query))
        request.headers = {"Host": f"127.0.0.1:{self.port}", "Content-Type": content_type}
        request.body = body
        SignerV4.sign(request, self.credentials)
        return method, request.build(), dict(request.headers), body

    def raw(self, method, query, body=b"", spoil=None):
        """Sends a signed request, changed by `spoil(url, headers, body)`; returns HTTP status and JSON."""
        method, url, headers, body = self.signed(method, query, body)
        if spoil:
            url, headers, body = spoil(url, headers, body)
        answer = requests.request(method, url, headers=headers, data=body, timeout=30)
        assert re.match("application/json", answer.headers.get("Content-Type", "")), answer.headers
        return answer.status_code, answer.json()
