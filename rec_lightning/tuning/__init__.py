import logging

# peft loads it wherever it is installed, and it warns that it lacks a kernel for its 4-bit products, used or not
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
