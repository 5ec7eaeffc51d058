"""The docking demonstration: each step of the vendor's chapter 9 with one camera, ticked off with evidence."""

from gateway.shop.demonstration.demonstration import Demonstration, DemonstrationRequest

__all__ = ["Demonstration", "DemonstrationRequest"]
