"""Twins: simulated far systems on real sockets, for tests, conformance checks and the demo city.

They count business records once per key and calls apart, keep both over a restart when given a folder, and let
faults be switched on while they run.
"""

from connectors.twins.records import Dms
from connectors.twins.register import TradeRegister
from connectors.twins.rest import DogTax, Payment, Portal
from connectors.twins.soap import BuildingApp, Finance
from connectors.twins.twin import Faults, Twin

TWINS: dict[str, type[Twin]] = {
    twin.name: twin for twin in (DogTax, TradeRegister, BuildingApp, Payment, Finance, Dms, Portal)
}

__all__ = ["TWINS", "BuildingApp", "Dms", "DogTax", "Faults", "Finance", "Payment", "Portal", "TradeRegister", "Twin"]
