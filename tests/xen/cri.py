#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A client of CRI, for tests: what Kubernetes asks of containerd. Debian 12 has no crictl.

Reads commands, a line each, as a shell writes words; behind what they print comes a line "=CODE".

  runp NAME [KEY=VALUE...]      makes and starts a sandbox: its id. pid=pod: one PID namespace; other keys: annotations
  stopp ID, rmp ID              stops it and its containers; removes it
  podstate ID                   READY or NOTREADY, and its address
  create POD IMAGE NAME [--mount FROM:TO[:ro]] [--tty] [--pids pod] [--] COMMAND...   its id
  start ID, rm ID, stop ID [SECONDS]
  state ID                      CREATED, RUNNING, EXITED or UNKNOWN, and the exit code
  exec ID COMMAND...            standard output and errors, and the exit code, of execSync
  ids                           of all sandboxes and containers
"""
import shlex
import sys

import grpc

SOCKET = "unix:///run/containerd/containerd.sock"
LOGS = "/var/log/pods"

# Messages of the API runtime.v1, as far as they are used: (number, name, kind), kind a message, a scalar, or a list of it.
MESSAGES = {
    "Id": [(1, "id", "text")],
    "Meta": [(1, "name", "text"), (2, "uid", "text"), (3, "namespace", "text")],
    "Entry": [(1, "key", "text"), (2, "value", "text")],
    "Namespaces": [(1, "network", "int"), (2, "pid", "int"), (3, "ipc", "int")],
    "Security": [(1, "namespaces", "Namespaces")],
    "PodLinux": [(2, "security", "Security")],
    "Pod": [(1, "meta", "Meta"), (2, "hostname", "text"), (3, "logs", "text"), (7, "annotations", ["Entry"]),
            (8, "linux", "PodLinux")],
    "RunPod": [(1, "config", "Pod"), (2, "handler", "text")],
    "Net": [(1, "ip", "text")],
    "PodStatus": [(1, "id", "text"), (3, "state", "int"), (5, "network", "Net")],
    "PodStatusAnswer": [(1, "status", "PodStatus")],
    "Image": [(1, "name", "text")],
    "Mount": [(1, "to", "text"), (2, "source", "text"), (3, "readonly", "int")],
    "ContainerSecurity": [(3, "namespaces", "Namespaces")],
    "ContainerLinux": [(2, "security", "ContainerSecurity")],
    "ContainerMeta": [(1, "name", "text")],
    "Container": [(1, "meta", "ContainerMeta"), (2, "image", "Image"), (3, "command", ["text"]), (7, "mounts", ["Mount"]),
                  (11, "log", "text"), (14, "tty", "int"), (15, "linux", "ContainerLinux")],
    "Create": [(1, "pod", "text"), (2, "config", "Container"), (3, "sandbox", "Pod")],
    "Stop": [(1, "id", "text"), (2, "timeout", "int")],
    "Status": [(1, "id", "text"), (3, "state", "int"), (7, "code", "int")],
    "StatusAnswer": [(1, "status", "Status")],
    "Exec": [(1, "id", "text"), (2, "command", ["text"]), (3, "timeout", "int")],
    "ExecAnswer": [(1, "out", "bytes"), (2, "err", "bytes"), (3, "code", "int")],
    "Ids": [(1, "all", ["Id"])],
    "None": [],
}


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def pack(kind, value):
    out = b""
    for number, name, what in MESSAGES[kind]:
        values = value.get(name)
        if values is None:
            continue
        one = what[0] if isinstance(what, list) else what
        for v in values if isinstance(what, list) else [values]:
            if one == "int":
                out += varint(number << 3) + varint(v)
                continue
            body = v.encode() if one == "text" else pack(one, v)
            out += varint(number << 3 | 2) + varint(len(body)) + body
    return out


def unpack(kind, data):
    out = {name: [] if isinstance(what, list) else {"int": 0, "text": "", "bytes": b""}.get(what, {})
           for _, name, what in MESSAGES[kind]}
    at = 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            v = number()
        elif tag & 7 == 2:
            size = number()
            v = data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {tag & 7}")
        for field, name, what in MESSAGES[kind]:
            if field != tag >> 3:
                continue
            one = what[0] if isinstance(what, list) else what
            if one not in ("int", "bytes"):
                v = v.decode() if one == "text" else unpack(one, v)
            if isinstance(what, list):
                out[name].append(v)
            else:
                out[name] = v
    return out


def call(method, kind, request, answer="None"):
    with grpc.insecure_channel(SOCKET) as channel:
        ask = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}", request_serializer=lambda v: pack(kind, v),
                                  response_deserializer=lambda data: unpack(answer, data))
        return ask(request, timeout=900)


def pod(name, words):
    keys = dict(word.split("=", 1) for word in words)
    return {"meta": {"name": name, "uid": f"uid-{name}", "namespace": "test"}, "hostname": name, "logs": f"{LOGS}/{name}",
            "linux": {"security": {"namespaces": {"pid": 0 if keys.pop("pid", "") == "pod" else 1}}},
            "annotations": [{"key": k, "value": v} for k, v in keys.items()]}


def create(sandbox, image, name, *words):
    config = {"meta": {"name": name}, "image": {"name": image}, "mounts": [], "log": f"{name}.log"}
    shared = 0
    words = list(words)
    while words and words[0].startswith("--"):
        option = words.pop(0)
        if option == "--":
            break
        if option == "--mount":
            source, to, *ro = words.pop(0).split(":")
            config["mounts"].append({"source": source, "to": to, "readonly": int(bool(ro))})
        elif option == "--tty":
            config["tty"] = 1
        elif option == "--pids":  # in the pod's PID namespace, or its own
            shared = words.pop(0) == "pod"
    config["command"] = words
    config["linux"] = {"security": {"namespaces": {"pid": 0 if shared else 1}}}
    podname = open(f"/run/cri-{sandbox}", encoding="ascii").read()
    request = {"pod": sandbox, "config": config, "sandbox": pod(podname, [])}
    print(call("CreateContainer", "Create", request, "Id")["id"])


def runp(name, *words):
    sandbox = call("RunPodSandbox", "RunPod", {"config": pod(name, words), "handler": "chaos"}, "Id")["id"]
    with open(f"/run/cri-{sandbox}", "w", encoding="ascii") as f:
        f.write(name)
    print(sandbox)


def podstate(sandbox):
    s = call("PodSandboxStatus", "Id", {"id": sandbox}, "PodStatusAnswer")["status"]
    print(("READY", "NOTREADY")[s["state"]], s["network"].get("ip", ""))


def state(container):
    s = call("ContainerStatus", "Id", {"id": container}, "StatusAnswer")["status"]
    print(("CREATED", "RUNNING", "EXITED", "UNKNOWN")[s["state"]], s["code"])


def execute(container, *command):
    r = call("ExecSync", "Exec", {"id": container, "command": command, "timeout": 600}, "ExecAnswer")
    sys.stdout.buffer.write(r["out"] + r["err"])
    return r["code"]


def ids():
    for method in ("ListPodSandbox", "ListContainers"):
        for one in call(method, "None", {}, "Ids")["all"]:
            print(one["id"])


def main(command, *words):
    plain = {"stopp": "StopPodSandbox", "rmp": "RemovePodSandbox", "start": "StartContainer", "rm": "RemoveContainer"}
    if command in plain:
        return call(plain[command], "Id", {"id": words[0]}) and 0
    if command == "stop":
        return call("StopContainer", "Stop", {"id": words[0], "timeout": int(words[1]) if len(words) > 1 else 0}) and 0
    return {"runp": runp, "podstate": podstate, "create": create, "state": state, "exec": execute, "ids": ids}[command](*words)


for line in sys.stdin:
    try:
        code = main(*shlex.split(line)) or 0
    except grpc.RpcError as error:
        print(error.details())
        code = 255
    sys.stdout.flush()
    sys.stdout.buffer.write(f"\n={code}\n".encode())
    sys.stdout.buffer.flush()
