"""Decide what an address from a sender may reach; pure.

An operator's address reaches anything. A sender's reaches public addresses, and what the operator allows.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Self

from previs.store import FolderStore, S3Store, Store, keys

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# RFC 6052 and RFC 8215: a gateway translates them into IPv4.
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE: Final = IPv6Network("::/96")
_NO_IPV4: Final = (IPv6Address("::"), IPv6Address("::1"))
# Link-local networks, and what clouds give to the metadata service that holds a machine's credentials: Amazon and
# Google on IPv6, Alibaba, Oracle, and Azure's wire server, which is a public address.
_NEVER: Final[tuple[IPNetwork, ...]] = tuple(
    ip_network(each)
    for each in (
        *("169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "fd20:ce::254"),
        *("100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hold what senders' addresses may reach besides public addresses.

    Attributes:
        hosts: Host names, in lower case; ``*.studio.lan`` means every host below ``studio.lan``.
        networks: Networks; one of a single address allows that address even if it is link-local.
        objects: Prefixes of ``s3://`` URLs, each with its closing slash.
        folders: Absolute paths of folders without symbolic links.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = ()
    objects: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()

    @classmethod
    def of(cls, hosts: list[str], networks: list[str], buckets: list[str], folders: list[str]) -> Self:
        """Return the allowances that a person wrote down.

        Args:
            hosts: Host names, ``*.domain`` or addresses.
            networks: Networks such as ``10.1.0.0/16``, or addresses.
            buckets: Buckets with or without a prefix, ``s3://bucket/prefix``.
            folders: Paths; a relative one is below the working directory.

        Raises:
            ValueError: One of them cannot be used; the sentence names it.
        """
        return cls(
            frozenset(named := [_host(each) for each in hosts]),
            (*(_network(each) for each in networks), *_addresses(named)),
            tuple(_objects(each) for each in buckets),
            tuple(Path(os.path.realpath(Path(each).expanduser())) for each in folders),
        )

    def with_store(self, store: Store) -> Self:
        """Return these allowances and the store's own bucket and prefix, or folder."""
        if isinstance(store, S3Store):
            own = f"s3://{store.settings.bucket}/{keys.below(store.settings.prefix)}"
            return replace(self, objects=(*self.objects, own))
        if isinstance(store, FolderStore):
            return replace(self, folders=(*self.folders, Path(os.path.realpath(store.name))))
        return self

    def holds(self, store: Store) -> bool:
        """Return whether a store's bucket and prefix, or its folder, is within what is allowed."""
        own = Allowed().with_store(store)
        return not any(map(self.object_fault, own.objects)) and not any(map(self.file_fault, own.folders))

    def with_host(self, host: str | None) -> Self:
        """Return these allowances and one more host."""
        if host is None:
            return self
        return replace(self, hosts=self.hosts | {host.lower()}, networks=(*self.networks, *_addresses([host])))

    def names(self, host: str) -> bool:
        """Return whether the operator allows a host by its name."""
        host = host.lower().rstrip(".")
        labels = host.split(".")
        return host in self.hosts or any(f"*.{'.'.join(labels[n:])}" in self.hosts for n in range(1, len(labels)))

    def fault_of(self, host: str, address: IPAddress) -> str:
        """Return why a connection to a host's address is refused, and what allows it; empty if it is allowed."""
        inner, named = embedded(address), host if host == str(address) else f"{host} ({address})"
        exactly = any(inner == embedded(each.network_address) for each in self.networks if each.num_addresses == 1)
        if not exactly and any(each in network for each in (address, inner) for network in _NEVER):
            return (
                f"{named} is link-local or a cloud's metadata service: only the exact address among "
                "the networks of the block AllowedSources allows it"
            )
        if (
            exactly
            or self.names(host)
            or any(each in network for each in (address, inner) for network in self.networks)
        ):
            return ""
        if all(map(is_public, {address, inner})):
            return ""
        return f"{named} is not public: the host or its network in the block AllowedSources allows it"

    def object_fault(self, uri: str) -> str:
        """Return why an ``s3://`` URL is refused, and what allows it; empty if it is allowed."""
        steps = uri.split("/")
        if uri.startswith(self.objects) and ".." not in steps and "." not in steps:
            return ""
        return (
            "a sender's s3:// URL is read from the store's own bucket and prefix, and from buckets that the operator "
            "allows (block AllowedSources, buckets)"
        )

    def file_fault(self, path: Path) -> str:
        """Return why a path without symbolic links is refused, and what allows it; empty if it is allowed."""
        if any(path.is_relative_to(folder) for folder in self.folders):
            return ""
        return "a sender's path is read from folders that the operator allows (block AllowedSources, folders)"


def is_public(address: IPAddress) -> bool:
    """Return whether an address is of the public Internet and of one machine."""
    if address.is_multicast or not address.is_global or any(address in network for network in _NEVER):
        return False
    return isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST or embedded(address) != address


def embedded(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address stands for, or else the address itself, without its zone."""
    if isinstance(address, IPv4Address):
        return address
    address = IPv6Address(int(address))
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is not None:
        return inner
    translated = any(address in network for network in _NAT64)
    if translated or (address in _COMPATIBLE and address not in _NO_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _host(text: str) -> str:
    host = text.strip().lower().rstrip(".").removeprefix("[").removesuffix("]")
    if not host or "/" in host or "@" in host or "*" in host.removeprefix("*.") or any(map(str.isspace, host)):
        raise ValueError(f"{text!r} is no host: write a name such as files.studio.lan, *.studio.lan, or an address")
    return host


def _addresses(hosts: Iterable[str]) -> Iterator[IPNetwork]:
    for host in hosts:
        with suppress(ValueError):
            yield ip_network(host)


def _network(text: str) -> IPNetwork:
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is no network: write 10.1.0.0/16, fd12::/48, or one address ({error})") from error


def _objects(text: str) -> str:
    bucket, _, prefix = text.strip().removeprefix("s3://").partition("/")
    if not bucket or "://" in text.strip().removeprefix("s3://"):
        raise ValueError(f"{text!r} is no bucket: write s3://bucket or s3://bucket/prefix")
    return f"s3://{bucket}/{keys.below(prefix)}"
