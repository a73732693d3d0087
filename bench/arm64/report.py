"""Counts a loop's instructions under QEMU, and has llvm-mca predict their cycles.

    python3 report.py LOOPS PI4_SO          (bench/arm64/count builds both)

Each loop runs twice, over FEW and over MANY segments, with one instruction in each of QEMU's blocks, whose execution it logs. The
difference of the counts at each address is the loop's alone: what happens once at the start is in both. Instructions of one
function that are executed equally often are one block, which llvm-mca sees as the body of a loop: as many of them in flight as
the processor's model has room for, everything in the first-level cache, every branch foreseen. So cycles are a lower bound.
"""

import collections
import os
import re
import subprocess
import sys

SEGMENT_BYTES, SEALED_BYTES = 16384, 16400
FEW, MANY = 4, 12
# Where QEMU's user mode puts a program that may be anywhere (linux-user/aarch64, ELF_ET_DYN_BASE).
BASE = 0x5500000000
# Blocks below this part of all instructions are not predicted; the table says how many are.
SMALLEST = 0.002
ITERATIONS = 200
# (name, QEMU's processor, preloaded?, the models that llvm-mca has for it)
MACHINES = [
    ("Pi 5 (Cortex-A76)", "cortex-a76", False, ["neoverse-n1", "cortex-a76"]),
    ("Pi 4 (Cortex-A72)", "cortex-a72", True, ["cortex-a72"]),
]
TRACE = re.compile(rb"^Trace .*?\[[0-9a-f]+/([0-9a-f]+)/")
BRANCH = re.compile(r"^(b|bl|b\.[a-z]{2}|cbz|cbnz|tbz|tbnz|adr|adrp)$")


def executed(emulator, loops, name, segments):
    """How often each address was executed."""
    counts = collections.Counter()
    ours, its = os.pipe()
    command = [*emulator, "-singlestep", "-d", "exec,nochain", "-D", f"/dev/fd/{its}", loops, name, str(segments)]
    with subprocess.Popen(command, pass_fds=[its]) as process, open(ours, "rb") as lines:
        os.close(its)
        for line in lines:
            if found := TRACE.match(line):
                counts[int(found[1], 16)] += 1
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return counts


def disassembly(loops):
    """Address to (function, instruction) for the whole program."""
    text = subprocess.run(
        ["llvm-objdump-19", "-d", "--no-show-raw-insn", "--no-print-imm-hex", "--mattr=+v8.2a,+crypto", loops],
        check=True, capture_output=True, text=True,
    ).stdout
    found, function = {}, "?"
    for line in text.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            function = head[1]
        elif one := re.match(r"^ *([0-9a-f]+):\s+(\S.*)$", line):
            found[int(one[1], 16)] = (function, one[2].split("<")[0].strip())
    return found


def plain(instruction):
    """As an assembler takes it away from its place: a target is some address nearby."""
    words = instruction.split("//")[0].replace("\t", " ").split(None, 1)
    if len(words) == 2 and BRANCH.match(words[0]):
        operands = words[1].split(",")
        operands[-1] = " 0" if words[0] in ("adr", "adrp") else " 8"
        return f"{words[0]} {','.join(operands)}"
    return " ".join(words)


def cycles(model, instructions):
    """Cycles that one run through these takes, among many."""
    text = "\n".join(instructions) + "\n"
    answer = subprocess.run(
        ["llvm-mca-19", "-mtriple=aarch64", f"-mcpu={model}", "-mattr=+v8.2a,+crypto", f"-iterations={ITERATIONS}",
         "-instruction-info=0", "-resource-pressure=0"],
        input=text, capture_output=True, text=True,
    )
    found = re.search(r"^Total Cycles: +(\d+)$", answer.stdout, re.M)
    if answer.returncode or not found:
        sys.exit(f"llvm-mca for {model}: {answer.stderr}\n{text}")
    return int(found[1]) / ITERATIONS


def measure(emulator, models, loops, program, name):
    few, many = (executed(emulator, loops, name, segments) for segments in (FEW, MANY))
    own = {at - BASE: many[at] - few[at] for at in many if many[at] > few[at]}
    all_of_it = sum(own.values())
    size = SEALED_BYTES if name.startswith("sha-256") else SEGMENT_BYTES
    of_bytes = (MANY - FEW) * size
    blocks = collections.defaultdict(list)
    for at in sorted(own):
        # What is not in the program is in a library of the system's: memcpy.
        if at in program:
            blocks[program[at][0], own[at]].append(plain(program[at][1]))
    large = {key: body for key, body in blocks.items() if len(body) * key[1] >= SMALLEST * all_of_it}
    seen = sum(len(body) * count for (_, count), body in large.items())
    predicted = {
        model: sum(cycles(model, body) * count for (_, count), body in large.items()) / of_bytes for model in models
    }
    if not large:
        sys.exit(f"{name}: nothing that was executed is in the program; does this QEMU not put it at {BASE:#x}?")
    hottest = max(large, key=lambda key: len(large[key]) * key[1])
    return {
        "instructions": all_of_it / of_bytes,
        "predicted": predicted,
        "covered": seen / all_of_it,
        "hottest": (hottest[0], len(large[hottest]), hottest[1] / of_bytes),
    }


def short(function):
    """A mangled name's words, without the hash."""
    name = re.sub(r"^_ZN(.*)17h[0-9a-f]{16}E.*$", r"\1", function)
    if name == function:
        return re.sub(r"^aws_lc_[0-9_]+_", "", function)
    words = []
    while found := re.match(r"\d+", name):
        end = found.end() + int(found[0])
        words.append(name[found.end():end])
        name = name[end:]
    return "::".join(words)


def main():
    loops, pi4 = sys.argv[1:]
    program = disassembly(loops)
    version = subprocess.run(["llvm-mca-19", "--version"], capture_output=True, text=True).stdout
    version = re.search(r"version (\S+)", version)[1]
    qemu = subprocess.run(["qemu-aarch64-static", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    print(f"{qemu}; llvm-mca {version}\n")
    print("| as | loop | instructions per byte | cycles per byte, by the model of | of the instructions | the hottest block |")
    print("| --- | --- | --- | --- | --- | --- |")
    for machine, cpu, preloads, models in MACHINES:
        emulator = ["qemu-aarch64-static", "-cpu", cpu]
        if preloads:
            emulator += ["-E", f"LD_PRELOAD={pi4}"]
        # Asked for nothing, it lists them, and ends with an error.
        names = subprocess.run([*emulator, loops], capture_output=True, text=True).stdout.splitlines()
        for name in names:
            row = measure(emulator, models, loops, program, name)
            by = ", ".join(f"{model} {value:.2f}" for model, value in row["predicted"].items())
            function, count, per_byte = row["hottest"]
            print(
                f"| {machine} | {name} | {row['instructions']:.2f} | {by} | {row['covered']:.1%} | "
                f"`{short(function)}`, {count} instructions for {1 / per_byte:.0f} bytes |",
                flush=True,
            )


main()
