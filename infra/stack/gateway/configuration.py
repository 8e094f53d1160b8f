"""Writes the gateway's configuration: the file that it reads at its start, and those that it watches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.stack.gateway.clusters import clusters, replicas
from infra.stack.gateway.exposure import Exposure
from infra.stack.gateway.listeners import listeners
from infra.stack.gateway.routes import route_configuration
from infra.stack.gateway.settings import GatewaySettings
from infra.stack.gateway.wire import Document, address, extension, replace_file, watched_file

LOG = {"time": "%Y-%m-%dT%H:%M:%S.%eZ", "level": "%l", "logger": "%n", "message": "%j"}
"""The fields of Envoy's own log."""


@dataclass(frozen=True)
class Configuration:
    """The configuration files of one gateway, in `directory`."""

    directory: Path
    stack: str
    settings: GatewaySettings
    issuer: str
    http_port: int
    tls_port: int
    admin_port: int

    @property
    def certificate(self) -> Path:
        """The file with the certificate for HTTPS and its private key."""
        return self.directory / "certificate.pem"

    @property
    def authority(self) -> Path:
        """The file with the certificate of the authority that clients must trust."""
        return self.directory / "authority.pem"

    @property
    def bootstrap(self) -> Path:
        """The file that the gateway reads when it starts. It contains the paths of the others."""
        return self.directory / "bootstrap.json"

    def write(self, exposure: Exposure) -> None:
        """Write all files, except the lists of replicas."""
        for name, document in self.documents(exposure).items():
            replace_file(self.directory / f"{name}.json", document)

    def write_replicas(self, service: str, ports: Sequence[int]) -> None:
        """Replace the list of replicas of a service, by their ports. The gateway notices within milliseconds."""
        replace_file(self._endpoints / f"{service}.json", replicas(service, ports))

    def documents(self, exposure: Exposure) -> dict[str, Document]:
        """Return the content of each file by its name without the suffix."""
        return {
            "routes": route_configuration(exposure, self.settings),
            "listeners": listeners(
                self.settings,
                exposure,
                issuer=self.issuer,
                http_port=self.http_port,
                tls_port=self.tls_port,
                certificate=self.certificate,
                routes=self.directory / "routes.json",
            ),
            "clusters": clusters(exposure.services, self.issuer, self._endpoints),
            "bootstrap": self._bootstrap(),
        }

    @property
    def _endpoints(self) -> Path:
        return self.directory / "replicas"

    def _bootstrap(self) -> Document:
        limit = extension(
            "envoy.resource_monitors.global_downstream_max_connections",
            "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            max_active_downstream_connections=self.settings.max_connections,
        )
        return {
            "node": {"id": "gateway", "cluster": self.stack},
            "admin": {"address": address(self.admin_port)},
            "dynamic_resources": {
                "lds_config": watched_file(self.directory / "listeners.json"),
                "cds_config": watched_file(self.directory / "clusters.json"),
            },
            "application_log_config": {"log_format": {"json_format": LOG}},
            "overload_manager": {"resource_monitors": [limit]},
        }
