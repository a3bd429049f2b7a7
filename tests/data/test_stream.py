"""Where a stream is; that both kinds of training batches go on exactly is tested beside them."""

from __future__ import annotations

from rec_lightning.data.stream import Stream


class Three(Stream):
    def __len__(self) -> int:
        return 3


def test_the_end_of_an_epoch_is_the_start_of_the_next() -> None:
    stream = Three()
    places = []
    for position in range(4):
        stream.position = position
        places.append(stream.state_dict())
    assert places == [*({"epoch": 0, "position": n} for n in range(3)), {"epoch": 1, "position": 0}]
    other = Three()
    other.load_state_dict(places[-1])
    assert (other.epoch, other.position, stream.epoch) == (1, 0, 0)
