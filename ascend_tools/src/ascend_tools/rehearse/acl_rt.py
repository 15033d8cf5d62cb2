"""The stand-in for `acl.rt`: devices, contexts, streams and memory. A context belongs to the thread that has entered it."""

from __future__ import annotations

import ctypes
import itertools

from ascend_tools.rehearse import acl_memory, machine, runtime, settings
from ascend_tools.rehearse.acl_memory import CONTEXTS, DEVICE, HANDED, HOST

HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE = range(4)
_numbers = itertools.count(1)
_open: dict[int, int] = {}  # device to the context that it was opened with
_streams: set[int] = set()


def set_device(device: int) -> int:
    """Open a device for this thread, with a context of its own; opened twice, it is open."""
    code = runtime.guarded(lambda: runtime.open_device(device))
    if not code:
        if _open.get(device) not in CONTEXTS:
            _open[device] = next(_numbers)
            CONTEXTS[_open[device]] = device
        acl_memory.enter(_open[device])
    return code


def reset_device(device: int) -> int:
    """Close a device: its contexts are gone."""
    if not runtime.PROCESS.ready:
        return runtime.UNINITIALIZED
    if _open.pop(device, None) is None:
        return runtime.BAD_DEVICE
    for context in [key for key, value in CONTEXTS.items() if value == device]:
        del CONTEXTS[context]
    return 0


def get_device() -> tuple[int, int]:
    """Return the device of this thread's context."""
    context = acl_memory.context()
    return (0, runtime.NO_CONTEXT) if context is None else (CONTEXTS[context], 0)


def get_device_count() -> tuple[int, int]:
    """Return how many devices this process may use."""
    return len(machine.visible(settings.current())), 0


def get_run_mode() -> tuple[int, int]:
    """Return 1: this program runs on the host."""
    return 1, state()


def create_context(device: int) -> tuple[int, int]:
    """Return a new context on a device, and enter it."""
    if code := runtime.guarded(lambda: runtime.open_device(device)):
        return 0, code
    context = next(_numbers)
    CONTEXTS[context] = device
    acl_memory.enter(context)
    return context, 0


def destroy_context(context: int) -> int:
    """Destroy a context."""
    if not runtime.PROCESS.ready:
        return runtime.UNINITIALIZED
    return 0 if CONTEXTS.pop(context, None) is not None else runtime.NO_CONTEXT


def set_context(context: int) -> int:
    """Enter a context in this thread."""
    if not runtime.PROCESS.ready:
        return runtime.UNINITIALIZED
    if context not in CONTEXTS:
        return runtime.NO_CONTEXT
    acl_memory.enter(context)
    return 0


def get_context() -> tuple[int, int]:
    """Return this thread's context."""
    context = acl_memory.context()
    return (0, runtime.NO_CONTEXT) if context is None else (context, 0)


def create_stream() -> tuple[int, int]:
    """Return a new stream of this thread's context."""
    if code := state():
        return 0, code
    _streams.add(stream := next(_numbers))
    return stream, 0


def destroy_stream(stream: int) -> int:
    """Destroy a stream."""
    code = state()
    if not code and stream not in _streams:
        return runtime.INVALID
    _streams.discard(stream)
    return code


def synchronize_stream(stream: int) -> int:
    """Wait for a stream, which has done all already."""
    return state() or (0 if stream in _streams else runtime.INVALID)


def malloc(size: int, policy: int = 0) -> tuple[int, int]:  # noqa: ARG001  huge pages or not
    """Return the address of memory on the device."""
    if code := state():
        return 0, code
    return (DEVICE.take(size), 0) if size > 0 else (0, runtime.INVALID)


def free(address: int) -> int:
    """Free memory on the device."""
    return state() or (0 if DEVICE.give_back(address) else runtime.INVALID)


def malloc_host(size: int) -> tuple[int, int]:
    """Return the address of memory on the host."""
    if code := state():
        return 0, code
    return (HOST.take(size), 0) if size > 0 else (0, runtime.INVALID)


def free_host(address: int) -> int:
    """Free memory on the host."""
    return state() or (0 if HOST.give_back(address) else runtime.INVALID)


def memset(address: int, most: int, value: int, size: int) -> int:
    """Fill memory on the device."""
    code = state()
    if not code and (size > most or size > DEVICE.room(address)):
        return runtime.INVALID
    if not code:
        ctypes.memset(address, value, size)
    return code


def memcpy(to: int, most: int, source: int, size: int, kind: int) -> int:
    """Copy bytes; on the device's side of it the memory has to be the device's."""
    code = state()
    if code:
        return code
    on_device = {
        HOST_TO_HOST: (),
        HOST_TO_DEVICE: (to,),
        DEVICE_TO_HOST: (source,),
        DEVICE_TO_DEVICE: (to, source),
    }
    if kind not in on_device or size <= 0 or size > most or not (to and source):
        return runtime.INVALID
    if any(DEVICE.room(address) < size for address in on_device[kind]):
        return runtime.INVALID
    if any(HANDED.is_freed(address) for address in (to, source)):
        return runtime.INVALID
    ctypes.memmove(to, source, size)
    return 0


def memcpy_async(to: int, most: int, source: int, size: int, kind: int, stream: int) -> int:
    """Copy bytes; it is done at once."""
    return memcpy(to, most, source, size, kind) if stream in _streams else runtime.INVALID


def state() -> int:
    """Return the code with which a call fails that needs AscendCL and a context; 0 where both are there."""
    if not runtime.PROCESS.ready:
        return runtime.UNINITIALIZED
    return runtime.NO_CONTEXT if acl_memory.context() is None else 0
