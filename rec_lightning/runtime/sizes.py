"""Memory, traffic and time of a training step under each strategy, from formulas; no tensor is made here.

W processes. DDP sends 2 (W - 1) / W times the bytes of the gradients of what trains, out of each process. FSDP2 gathers
every weight, (W - 1) / W times its bytes, those of blocks once more for the backward pass, and sends (W - 1) / W times
the gradients; rows that do not divide by W are filled up. A step on a device takes the larger of its arithmetic at a
share of the peak and of its traffic, which overlap, and a fixed time. More devices than a machine has share a network.

Relations: ``probe`` measures what goes in; the front door ``plan`` shows what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from rec_lightning.losses.chunked_softmax import fitting_rows

# devices of one machine, and 10^9 bytes a second from each of them to those of other machines: 200 Gb/s for each
MACHINE, NETWORK = 8, 25.0
# share of a device's memory that a plan fills: the rest is CUDA's own and fragments
ROOM = 0.9
# share of the peak that a training of transformers reaches, of a link that collectives reach, and seconds of a step
# that no device shortens (starting kernels, waiting for each other); all three are guesses
REACHED, CARRIED, STARTS = 0.35, 0.7, 0.01


@dataclass(frozen=True)
class Gpu:
    """A device by its data sheet.

    Args:
        memory_gb: 10^9 bytes.
        half: TFLOP/s in bfloat16, dense.
        single: TFLOP/s in float32 without tensor cores.
        link_gb: 10^9 bytes a second, out of one device to the others of its machine.
    """

    memory_gb: float
    half: float
    single: float
    link_gb: float


GPUS = {
    "A100-40": Gpu(40, 312, 19.5, 300),
    "A100-80": Gpu(80, 312, 19.5, 300),
    "H100": Gpu(80, 989, 67, 450),
    "H200": Gpu(141, 989, 67, 450),
    "L4": Gpu(24, 121, 30.3, 32),
    "A10": Gpu(24, 125, 31.2, 32),
    "V100": Gpu(32, 125, 15.7, 150),
    "T4": Gpu(16, 65, 8.1, 16),
    "4090": Gpu(24, 165, 82.6, 32),
}


@dataclass(frozen=True)
class Tensor:
    """A parameter: shape, bytes of an element, whether it trains, and whether it lies in a block of the backbone."""

    shape: tuple[int, ...]
    element: int
    trains: bool
    block: bool

    def bytes(self, world: int = 1) -> int:
        """Its size, rows filled up to a multiple of the processes."""
        rows = self.shape[0] if self.shape else 1
        rest = 1
        for size in self.shape[1:]:
            rest *= size
        return ceil(rows / world) * world * rest * self.element


@dataclass(frozen=True)
class Needs:
    """What one process needs, in bytes: a step's traffic is what it sends."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    traffic: int

    @property
    def memory(self) -> int:
        """All that lies in memory at once."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def fit(self, gpu: Gpu) -> bool:
        """Whether it lies in a device's memory."""
        return self.memory <= gpu.memory_gb * 1e9 * ROOM


def ddp(tensors: Sequence[Tensor], states: float, activations: int, world: int) -> Needs:
    """Of one process, or of several under DDP.

    Args:
        tensors: the parameters.
        states: numbers that the optimizer keeps for each trained one.
        activations: bytes at the peak of a step of one process.
        world: W.

    Example:
        >>> ddp([Tensor((10, 5), 4, True, False)], 2, 0, 2).traffic
        200
    """
    weights = sum(t.bytes() for t in tensors)
    trained = sum(t.bytes() for t in tensors if t.trains)
    return Needs(weights, trained, round(states * trained), activations, 2 * (world - 1) * trained // world)


def fsdp2(tensors: Sequence[Tensor], states: float, activations: int, world: int, by_block: bool = True) -> Needs:
    """Of one of several processes under FSDP2.

    Args:
        tensors: the parameters.
        states: numbers that the optimizer keeps for each trained one.
        activations: bytes at the peak of a step of one process.
        world: W.
        by_block: whether blocks of the backbone are gathered one at a time.
    """
    whole = sum(t.bytes(world) for t in tensors)
    trained = sum(t.bytes(world) for t in tensors if t.trains)
    again = sum(t.bytes(world) for t in tensors if t.block) if by_block else 0
    traffic = (whole + again + trained) * (world - 1) // world
    # what is gathered lies whole beside the shares, and so do its gradients before they are sent
    gathered = whole - again
    own = trained // world + sum(t.bytes(world) for t in tensors if t.trains and not (by_block and t.block))
    return Needs(whole // world + gathered, own, round(states * trained / world), activations, traffic)


def catalogue(
    items: int, width: int, positions: int, loss: str, world: int = 1, drawn: int = 0, device: str = "cuda"
) -> Needs:
    """Of a table of ids, trained by Adam, and of the softmax over it; all in float32.

    Args:
        items: N.
        width: D.
        positions: P with a target, in a step of one process.
        loss: ``full``, ``chunked``, ``sampled``, or ``split`` for the vocabulary-parallel one.
        world: W, under DDP; the table is split over them in ``split`` alone.
        drawn: negatives that all positions share, in ``sampled``.
        device: ``cuda``, or ``cpu`` with its smaller chunks.

    Returns:
        What lies beside the table, its gradient and its optimizer in ``activations``.

    Example:
        >>> catalogue(10_000, 64, 256, "full").weights
        2560256
    """
    rows = ceil((items + 1) / world) if loss == "split" else items + 1
    table, whole, states = rows * width * 4, positions * rows * 4, positions * width * 4
    traffic = 2 * (world - 1) * table // world
    if loss == "full":  # logits, their softmax and its slope; later that of the items twice
        activations = max(3 * whole, 2 * table) - table
    elif loss == "sampled":
        activations = max(16 * positions * (drawn + 1) - table, 2 * drawn * width * 4 + 3 * states)
    else:
        every = world * positions if loss == "split" else positions
        piece = max(16, (1 << 22) // rows) if loss == "split" else fitting_rows(rows, device)
        first, second = (max(0, min(every - begin, piece)) * rows * 4 for begin in (0, piece))
        # a chunk's logits beside those of the one before, or beside its share of the slope of the items
        activations = first + max(second, table) + 3 * every * width * 4
        if loss == "split":  # queries, item vectors and their slopes, to all others and back
            traffic = 6 * (world - 1) * states
    return Needs(table, table, 2 * table, max(0, activations), traffic)


def seconds(flops: float, traffic: int, gpu: Gpu, half: bool, world: int = 1) -> float:
    """Of a step on a device.

    Args:
        flops: of one process.
        traffic: bytes that it sends.
        gpu: the device.
        half: whether it computes in bfloat16.
        world: devices; beyond ``MACHINE`` of them the network counts, where it is slower than the link.
    """
    peak = (gpu.half if half else gpu.single) * 1e12
    link = gpu.link_gb if world <= MACHINE else min(gpu.link_gb, NETWORK)
    return STARTS + max(flops / (peak * REACHED), traffic / (link * 1e9 * CARRIED))
