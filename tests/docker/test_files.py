"""The compose file, the Kubernetes example and the lock files against the code: options, commands, queues and
paths that they name exist, and what they promise about access and shutdown holds.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from service.api.app import create_app
from service.cli.app import app
from service.settings import PREFIX, Settings, variable
from service.store.broker import QUEUES

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MANIFESTS = [
    document
    for file in sorted((ROOT / "docker" / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
]
AUTOSCALERS = {
    name: list(yaml.safe_load_all((ROOT / "docker" / f"kubernetes-{name}" / "autoscaling.yaml").read_text()))
    for name in ("keda", "hpa")
}
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONS = {variable(field) for field in Settings.model_fields}
OURS = ("api", "predict", "training", "predict-gpu", "training-gpu")
WORKLOADS = [document for document in MANIFESTS if document["kind"] in ("Deployment", "StatefulSet")]
UNITS = {"s": 1, "m": 60}


def seconds(duration: str) -> int:
    return int(duration[:-1]) * UNITS[duration[-1]]


def parses(arguments: list[str]) -> None:
    """Errors: click's own for a command or an option that the command line does not have."""
    group = typer.main.get_command(app)
    command = group.get_command(None, arguments[0])  # type: ignore[attr-defined,arg-type]
    assert command is not None, f"there is no weightcast {arguments[0]}"
    command.make_context(arguments[0], list(arguments[1:]))


def workload(name: str) -> dict[str, Any]:
    return next(document for document in WORKLOADS if document["metadata"]["name"] == name)


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(name, pod, its container) of every workload."""
    for document in WORKLOADS:
        pod = document["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield document["metadata"]["name"], pod, container


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container.get("env", [])}


def test_the_deployment_page_names_what_exists() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", page)) <= OPTIONS
    code = "".join(file.read_text() for file in (ROOT / "service" / "api").glob("*.py"))
    metrics = set(re.findall(r"`(weightcast_\w+)`", page))
    assert metrics and all(f'"{name.removesuffix("_total")}"' in code for name in metrics)
    for line in re.findall(r"^weightcast (.*?)\s*(?:#.*)?$", page, re.MULTILINE):
        parses(line.split())


# --- compose


@pytest.mark.parametrize("name", SERVICES)
def test_a_compose_service_names_options_that_exist(name: str) -> None:
    wanted = {key for key in SERVICES[name].get("environment", {}) if key.startswith(PREFIX)}
    assert wanted <= OPTIONS
    assert bool(wanted) == (name in OURS)


def test_what_the_compose_file_asks_of_the_user_exists() -> None:
    asked = set(re.findall(r"\$\{(WEIGHTCAST_\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert asked and asked <= OPTIONS
    page = (ROOT / "docker" / "README.md").read_text()
    every = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert {name for name in every if f"`{name}`" not in page} == set()
    shown = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(shown) == every


def test_the_project_has_a_name_of_its_own() -> None:
    assert COMPOSE["name"] == "weightcast"
    assert "weightcast_models:" in (ROOT / "docker" / "README.md").read_text()


def test_the_commands_of_the_images_exist() -> None:
    assert 'ENTRYPOINT ["weightcast"]' in DOCKERFILE
    commands = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        parses(yaml.safe_load(command))
    for name in OURS[1:]:
        parses(SERVICES[name]["command"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_compose_service_is_hardened_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] and service["init"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] and service["pids_limit"]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"


def test_no_image_runs_as_root() -> None:
    last = re.findall(r"^(FROM \S+ AS (?:runtime|api|worker)$|USER .*)$", DOCKERFILE, re.MULTILINE)
    assert last == [
        "FROM ${PYTHON_IMAGE} AS runtime",
        "USER 10001:10001",
        "FROM runtime AS api",
        "FROM runtime AS worker",
    ]
    assert {SERVICES[name]["user"] for name in ("redis", "redis-cache")} == {"redis"}


def test_an_api_without_keys_is_open_to_this_machine_only() -> None:
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["api"]
    assert COMPOSE["networks"]["backend"]["internal"] is True
    assert all(SERVICES[name]["networks"] == ["backend"] for name in SERVICES if name != "api")


def test_a_stopping_worker_may_finish_before_it_is_killed() -> None:
    for name in OURS[1:]:
        soft = int(SERVICES[name]["environment"]["WEIGHTCAST_SHUTDOWN_SECONDS"])
        assert seconds(SERVICES[name]["stop_grace_period"]) >= soft + 10, name


def test_health_checks_run_commands_that_exist() -> None:
    for name in OURS[1:]:
        test = SERVICES[name]["healthcheck"]["test"]
        queue = SERVICES[name]["command"][-1]
        assert test == ["CMD", "weightcast", "health", queue]
        assert queue in QUEUES
        parses(test[2:])
    assert "/readyz" in SERVICES["api"]["healthcheck"]["test"][-1]


def test_nothing_starts_before_redis_is_healthy() -> None:
    for name in OURS:
        conditions = {key: value["condition"] for key, value in SERVICES[name]["depends_on"].items()}
        assert conditions == {"redis": "service_healthy", "redis-cache": "service_healthy"}


def test_only_the_record_redis_keeps_everything() -> None:
    records, cache = (" ".join(SERVICES[name]["command"]) for name in ("redis", "redis-cache"))
    assert "--maxmemory-policy noeviction" in records and "--appendonly yes" in records
    assert "--maxmemory-policy allkeys-lru" in cache and "--appendonly" not in cache
    settings = SERVICES["api"]["environment"]
    assert settings["WEIGHTCAST_REDIS_URL"] == "redis://redis:6379/0"
    assert settings["WEIGHTCAST_CACHE_REDIS_URL"] == "redis://redis-cache:6379/0"


def test_gpu_services_are_the_same_but_for_the_device() -> None:
    for name in ("predict", "training"):
        gpu = dict(SERVICES[f"{name}-gpu"])
        assert gpu.pop("profiles") == ["gpu"] and "profiles" not in SERVICES[name]
        (device,) = gpu.pop("deploy")["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        told = {"WEIGHTCAST_DEVICE": "cuda"} if name == "predict" else {}
        assert gpu.pop("environment") == {**SERVICES[name]["environment"], **told}
        differing = {key for key in gpu if gpu[key] != SERVICES[name].get(key)}
        assert differing == {"image", "build"}


# --- images


def test_the_build_context_holds_what_the_images_copy() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / source).exists() for source in sent)


def pinned(*files: str) -> dict[str, str]:
    lines = [line for file in files for line in (ROOT / "docker" / file).read_text().splitlines()]
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.parametrize(
    ("files", "extras"), [(["api.txt"], ["api"]), (["torch.txt", "worker.txt"], ["worker", "models"])]
)
def test_the_pinned_packages_satisfy_ours(files: list[str], extras: list[str]) -> None:
    versions = pinned(*files)
    wanted = [*PROJECT["dependencies"]]
    wanted += [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    for required in map(Requirement, wanted):
        if required.name != PROJECT["name"]:
            assert Version(versions[canonicalize_name(required.name)]) in required.specifier, required


def test_the_images_install_what_the_tests_passed_with() -> None:
    """`make lock` was run after the last change of requirements.lock."""
    locked = {
        line.partition(";")[0].strip()
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if line and not line.startswith("#")
    }
    for file in ("api.txt", "torch.txt", "worker.txt"):
        assert {f"{name}=={version}" for name, version in pinned(file).items()} <= locked, file


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_lock_has_one_allowed_version_of_each_package(python: str, platform: str) -> None:
    place = {"python_version": python, "python_full_version": f"{python}.7", "sys_platform": platform}
    place |= {"platform_machine": "x86_64", "platform_python_implementation": "CPython"}
    versions: dict[str, str] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            required = Requirement(line)
            if required.marker is None or required.marker.evaluate(place):
                assert required.name not in versions, required.name
                versions[required.name] = str(required.specifier).removeprefix("==")
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]
    for required in map(Requirement, lines):
        if required.name != PROJECT["name"]:
            assert Version(versions[canonicalize_name(required.name)]) in required.specifier, required


def test_compose_merges_one_mapping_at_a_time() -> None:
    """Readers of YAML disagree on which of several merged mappings wins."""
    assert not re.search(r"<<:\s*\[", (ROOT / "docker-compose.yml").read_text())


def test_the_api_has_no_torch() -> None:
    assert "torch" in pinned("torch.txt")
    assert not {"torch", "torchvision", "scipy", "scikit-learn"} & set(pinned("api.txt"))


# --- kubernetes


def test_manifests_name_options_that_exist() -> None:
    named = {key for _, _, container in pods() for key in environment(container)}
    for document in MANIFESTS:
        if document["kind"] in ("ConfigMap", "Secret"):
            named |= set(document.get("data", {})) | set(document.get("stringData", {}))
    assert {name for name in named if name.startswith(PREFIX)} <= OPTIONS
    assert {"WEIGHTCAST_REDIS_URL", "WEIGHTCAST_API_KEYS_FILE"} <= named


def test_the_commands_of_the_pods_exist() -> None:
    for name, _, container in pods():
        if name in ("api", "predict", "training"):
            parses(container["args"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            command = container.get(probe, {}).get("exec", {}).get("command", [])
            if command[:1] == ["weightcast"]:
                assert command[1:] == ["health", name]
                parses(command[1:])


def test_the_probes_ask_for_pages_that_exist(settings: Settings) -> None:
    ((_, _, api),) = [entry for entry in pods() if entry[0] == "api"]
    pages = {api[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe", "startupProbe")}
    assert pages == {"/readyz", "/livez"}
    assert pages <= set(create_app(settings).openapi()["paths"])


def test_pods_run_under_the_restricted_profile() -> None:
    for name, pod, container in pods():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]


def test_a_stopping_pod_may_finish_before_it_is_killed() -> None:
    checked = 0
    for name, pod, container in pods():
        if (soft := environment(container).get("WEIGHTCAST_SHUTDOWN_SECONDS")) is not None:
            assert pod["terminationGracePeriodSeconds"] >= int(soft) + 10, name
            checked += 1
    assert checked == 2


def test_an_api_pod_without_keys_does_not_start() -> None:
    named = {key for document in MANIFESTS for key in document.get("data", {})}
    assert "WEIGHTCAST_ALLOW_ANONYMOUS" not in named
    ((_, pod, api),) = [entry for entry in pods() if entry[0] == "api"]
    (mount,) = [mount for mount in api["volumeMounts"] if mount["name"] == "keys"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "keys"]
    (secret,) = [document for document in MANIFESTS if document["kind"] == "Secret"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    ((name, text),) = secret["stringData"].items()
    assert environment(api)["WEIGHTCAST_API_KEYS_FILE"] == f"{mount['mountPath']}/{name}"
    # As it is shipped it holds no key, and a file without keys does not start a server.
    assert all(line.strip().startswith("#") for line in text.splitlines())


def test_references_between_manifests_hold() -> None:
    def names(kind: str) -> set[str]:
        return {document["metadata"]["name"] for document in MANIFESTS if document["kind"] == kind}

    for document in WORKLOADS:
        labels = document["spec"]["template"]["metadata"]["labels"]
        assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for _, pod, container in pods():
        claims = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod.get("volumes", [])
            if "persistentVolumeClaim" in volume
        }
        assert claims <= names("PersistentVolumeClaim")
        for source in container.get("envFrom", []):
            ((kind, reference),) = source.items()
            assert reference["name"] in names({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind])
    services = {
        document["metadata"]["name"]: document["spec"]["selector"]["app.kubernetes.io/name"]
        for document in MANIFESTS
        if document["kind"] == "Service"
    }
    assert services == {name: name for name in ("redis", "redis-cache", "api")}
    assert set(services.values()) <= names("Deployment") | names("StatefulSet")


def test_kustomization_lists_the_files_and_tags_the_images() -> None:
    (kustomization,) = [document for document in MANIFESTS if document["kind"] == "Kustomization"]
    for file in kustomization["resources"]:
        assert (ROOT / "docker" / "kubernetes" / file).is_file()
    images = {image["name"]: image["newTag"] for image in kustomization["images"]}
    assert images == {"weightcast-api": PROJECT["version"], "weightcast-worker": PROJECT["version"]}
    for name in OURS[:3]:
        assert fnmatch(SERVICES[name]["image"], f"*weightcast-*:{PROJECT['version']}}}")
        assert workload(name)["spec"]["template"]["spec"]["containers"][0]["image"] in images


def test_a_plain_cluster_knows_every_kind_and_autoscaling_is_an_overlay() -> None:
    own = ("apps/v1", "v1", "networking.k8s.io/v1", "policy/v1", "kustomize.config.k8s.io/v1beta1")
    assert {document["apiVersion"] for document in MANIFESTS} <= {*own}
    for name in AUTOSCALERS:
        folder = ROOT / "docker" / f"kubernetes-{name}"
        base, file = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert (folder / base).resolve() == ROOT / "docker" / "kubernetes" and (folder / file).is_file()


def test_pods_with_a_gpu_ask_for_one_and_do_not_start_without() -> None:
    folder = ROOT / "docker" / "kubernetes-gpu"
    overlay = yaml.safe_load((folder / "kustomization.yaml").read_text())
    (base,) = overlay["resources"]
    # kustomize takes no folder that holds the one that names it.
    assert (folder / base).resolve() == ROOT / "docker" / "kubernetes"
    pointed: dict[str, dict[str, Any]] = {}
    for patch in overlay["patches"]:
        for name in patch["target"]["name"].split("|"):
            assert workload(name)["kind"] == patch["target"]["kind"]
            for step in yaml.safe_load(patch["patch"]):
                assert step["op"] == "add"
                *parents, last = (key.replace("~1", "/") for key in step["path"].split("/")[1:])
                place: Any = workload(name)
                for key in parents:
                    place = place[int(key)] if isinstance(place, list) else place[key]
                # A key that is not there yet, or the end of a list.
                assert isinstance(place, list) if last == "-" else last not in place
                pointed.setdefault(name, {})[last] = step["value"]
    assert pointed["training"] == {"nvidia.com/gpu": 1}
    variable_of_device = {"name": variable("device"), "value": "cuda"}
    assert pointed["predict"] == {"nvidia.com/gpu": 1, "-": variable_of_device}


def test_autoscalers_watch_queues_and_metrics_that_exist() -> None:
    scaled = AUTOSCALERS["keda"]
    assert {document["kind"] for document in scaled} == {"ScaledObject"}
    lists = {
        trigger["metadata"]["listName"] for document in scaled for trigger in document["spec"]["triggers"]
    }
    assert lists == set(QUEUES)
    # A queue without a worker refuses its jobs.
    assert all(document["spec"]["minReplicaCount"] >= 1 for document in scaled)
    (hpa,) = AUTOSCALERS["hpa"]
    (metric,) = hpa["spec"]["metrics"]
    name = metric["external"]["metric"]["name"]
    code = "".join(file.read_text() for file in (ROOT / "service" / "api").glob("*.py"))
    assert f'GaugeMetricFamily("{name}"' in code
    for document in [*scaled, hpa]:
        assert workload(document["spec"]["scaleTargetRef"]["name"])
