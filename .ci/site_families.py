"""An extension of griffe: the site shows the families of the client as what they are when used."""

from __future__ import annotations

from typing import Any

import griffe


class Families(griffe.Extension):
    """Shows ``vehicles: Vehicles``, with what the class says, for ``Lazy[Vehicles]``."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Replace the types and values of the families, which say how they are imported."""
        if "_client" not in pkg.members:
            return
        classes = {
            cls.name: cls
            for module in pkg["resources"].modules.values()
            for cls in module.classes.values()
        }
        for attribute in pkg["_client.Client"].attributes.values():
            annotation = attribute.annotation
            if isinstance(annotation, griffe.ExprSubscript) and str(annotation.left) == "Lazy":
                attribute.annotation, attribute.value = annotation.slice, None
                described = classes[str(annotation.slice)].docstring
                summary = described.value.partition("\n\n")[0] if described else ""
                attribute.docstring = griffe.Docstring(summary, parent=attribute)
