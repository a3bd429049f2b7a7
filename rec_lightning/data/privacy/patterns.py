"""What personal data look like in texts; the audit finds by these and ``mask`` replaces by them.

Patterns miss some personal data and take some harmless text for it.
"""

from __future__ import annotations

PATTERNS = {
    "e-mail": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
    "phone": r"(?:\+\d{1,3}[ .-]?)(?:\(?\d{2,4}\)?[ .-]?)\d{3,4}[ .-]?\d{3,4}\b|\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b",
    "card": r"\b(?:\d[ -]?){12,18}\d\b",
    "address": r"\b\d{1,5} (?:[A-Z][a-z]+ ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr)\b",
    "ip address": r"\b(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\b",
}
