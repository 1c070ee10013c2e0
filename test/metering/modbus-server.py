"""An RTU server of pymodbus on a serial device. Usage: modbus-server.py DEVICE JSON

JSON: [{ "unit": 1, "function": 3 or 4, "wordOrder": "ABCD", "registers": [[address, type, raw value], ...] }, ...]
Prints a line when it is about to listen. Requests for other units go unanswered.
"""
import json
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.payload import BinaryPayloadBuilder
from pymodbus.server import StartSerialServer
from pymodbus.transaction import ModbusRtuFramer

BIG, LITTLE = ">", "<"
ADD = {
    "u16": "add_16bit_uint",
    "i16": "add_16bit_int",
    "u32": "add_32bit_uint",
    "i32": "add_32bit_int",
    "float32": "add_32bit_float",
}


def registers_of(spec):
    last = max(address for address, _, _ in spec["registers"])
    # Old versions of the context count from 1 unless told otherwise.
    values = {address: 0 for address in range(last + 2)}
    for address, kind, value in spec["registers"]:
        order = BIG if spec["wordOrder"] == "ABCD" else LITTLE
        builder = BinaryPayloadBuilder(byteorder=BIG, wordorder=order)
        getattr(builder, ADD[kind])(value)
        for i, register in enumerate(builder.to_registers()):
            values[address + i] = register
    return ModbusSparseDataBlock(values)


def context_of(spec):
    table = "hr" if spec["function"] == 3 else "ir"
    return ModbusSlaveContext(zero_mode=True, **{table: registers_of(spec)})


device, text = sys.argv[1:]
slaves = {spec["unit"]: context_of(spec) for spec in json.loads(text)}
print("ready", flush=True)
StartSerialServer(
    context=ModbusServerContext(slaves=slaves, single=False),
    framer=ModbusRtuFramer,
    port=device,
    baudrate=19200,
    timeout=0.01,
    ignore_missing_slaves=True,
)
