"""The data card: what prepared data are, in a page of Markdown beside them.

After M. Pushkarna et al., "Data Cards", FAccT 2022, https://arxiv.org/abs/2204.01075; only what is known without asking
a person: origin, licence, counts, filters, guards, split and its leak, fingerprint.
"""

from __future__ import annotations

from rec_lightning.data.facts import Facts


def card(facts: Facts) -> str:
    """The page.

    Args:
        facts: of prepared data.
    """
    parts = zip(("training", "validation", "test", "input only"), facts.roles, strict=True)
    origin = {"source": facts.source, "licence": facts.licence, "fingerprint": f"sha256 {facts.fingerprint}"}
    counts = {"users": facts.users, "items": facts.items, "interactions": facts.interactions}
    counts |= {f"interactions, {name}": count for name, count in parts if count}
    steps = [
        f"| `{s['step']}` | {s['removed']:,} | {s['events']:,} | {s['users']:,} | {s['items']:,} |" for s in facts.steps
    ]
    lines = [
        f"# Data card: {facts.name}",
        "",
        *(f"- **{name}**: {text}" for name, text in origin.items()),
        f"- **split**: `{facts.split}`",
        f"- **what the split leaks**: {facts.leaks or 'nothing by design'}",
        f"- **privacy**: {'; '.join(f'`{guard}`' for guard in facts.guards) or 'ids and texts as in the source'}",
        f"- **left out on request**: {facts.forgotten or 'nobody'}",
        f"- **computed from training events**: {'; '.join(f'`{feature}`' for feature in facts.features) or 'nothing'}",
        "",
        "| count | |",
        "|---|---|",
        *(f"| {name} | {count:,} |" for name, count in counts.items()),
        "",
        "| step of preparation | interactions removed | left | users left | items left |",
        "|---|---|---|---|---|",
        *(steps or ["| none | 0 | all | all | all |"]),
    ]
    return "\n".join(lines) + "\n"
