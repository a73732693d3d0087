/* A Raspberry Pi 4's processor has no AES, PMULL, SHA-1 and SHA-2 instructions, and QEMU's cortex-a72 has them
 * all. Preloaded into an emulated program, this hides them from whoever asks the C library what the processor
 * has, as Rust's standard library and AWS-LC do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/auxv.h>

/* arch/arm64/include/uapi/asm/hwcap.h: HWCAP_AES, HWCAP_PMULL, HWCAP_SHA1, HWCAP_SHA2 are bits 3 to 6. */
#define HIDDEN (0xful << 3)

unsigned long getauxval(unsigned long type)
{
    static unsigned long (*real)(unsigned long);
    if (!real)
        real = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
    if (!real)
        abort();
    unsigned long value = real(type);
    return type == AT_HWCAP ? value & ~HIDDEN : value;
}
