/*
 * abi_text — abi.h and those beside it as a text inside the binary, so that Lua declares exactly
 * what was compiled.
 */
#include "bridge/exports.h"

extern const char abi_text_start[];

__asm__(".section .rodata\n"
        ".global abi_text_start\n"
        ".hidden abi_text_start\n"
        "abi_text_start:\n"
        ".ascii \"struct slice { const char *start; size_t length; };\\n\"\n"
        ".ascii \"struct exchange { double serial; uint32_t slot; };\\n\"\n"
        ".ascii \"struct address_set;\\n\"\n"
        ".ascii \"struct edits;\\n\"\n"
        ".ascii \"struct gather_plan;\\n\"\n"
        ".ascii \"struct generation;\\n\"\n"
        ".ascii \"struct limit_rule;\\n\"\n"
        ".ascii \"struct limit_told;\\n\"\n"
        ".incbin \"" MOONGATE_ABI ".h\"\n"
        ".incbin \"" MOONGATE_ABI "_build.h\"\n"
        ".incbin \"" MOONGATE_ABI "_cache.h\"\n"
        ".incbin \"" MOONGATE_ABI "_crypto.h\"\n"
        ".incbin \"" MOONGATE_ABI "_edits.h\"\n"
        ".incbin \"" MOONGATE_ABI "_gather.h\"\n"
        ".incbin \"" MOONGATE_ABI "_limits.h\"\n"
        ".incbin \"" MOONGATE_ABI "_shared.h\"\n"
        ".byte 0\n"
        ".previous\n");

const char *moon_abi_text(void)
{
    return abi_text_start;
}
