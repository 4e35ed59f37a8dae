"""The modules inside torch.compile, DataParallel and DistributedDataParallel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import nn

_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
# The part of torch.compile's wrapper.
_COMPILED = "_orig_mod"
# What `module.compile()` leaves in a module: it is called instead of the module's own code.
_COMPILED_CALL = "_compiled_call_impl"


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside, or the module itself if it is no wrapper."""
    children = vars(module)["_modules"]
    inner = children.get(_COMPILED)
    if inner is None and isinstance(module, _PARALLEL):
        inner = children["module"]
    return module if inner is None else unwrapped(inner)


def parts_of(module: nn.Module) -> list[nn.Module]:
    """The module inside and all its parts, without wrappers."""
    return [part for part in unwrapped(module).modules() if unwrapped(part) is part]


@contextmanager
def without_wrappers(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Inside the block, these modules, which are no wrappers, have no wrapper for a part, and run as they
    were written: the calls that compiled code makes cannot be followed.
    """
    with ExitStack() as steps:
        for module in modules:
            own = vars(module)
            if own.get(_COMPILED_CALL) is not None:
                steps.callback(own.__setitem__, _COMPILED_CALL, own[_COMPILED_CALL])
                own[_COMPILED_CALL] = None
            children = own["_modules"]
            for name, child in children.items():
                if child is not None and unwrapped(child) is not child:
                    steps.callback(children.__setitem__, name, child)
                    children[name] = unwrapped(child)
        yield
