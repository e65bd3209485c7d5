"""What ``expand=`` takes, resource by resource.

For lists that are made before the call: to a type checker, a bare ``fields = ["user"]`` is a list
of any text, and ``fields: list[EVSEExpand] = ["user"]`` is one that ``expand=`` takes.
"""

from ev_energy.resources.ct_clamps import CTClampExpand, CTClampLogExpand
from ev_energy.resources.evse_catalogue import EVSEModelExpand
from ev_energy.resources.evses import EVSEConnectivityExpand, EVSEExpand, EVSELogExpand
from ev_energy.resources.users import UserExpand

__all__ = [
    "CTClampExpand",
    "CTClampLogExpand",
    "EVSEConnectivityExpand",
    "EVSEExpand",
    "EVSELogExpand",
    "EVSEModelExpand",
    "UserExpand",
]
