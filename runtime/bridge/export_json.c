/*
 * export_json — whether a text is JSON, for Lua.
 */
#include "base/json_syntax.h"
#include "bridge/exports.h"

double moon_json_fault(const char *text, size_t length)
{
    size_t offset = 0;
    return json_syntax_check(exports_slice(text, length), &offset) ? -1 : (double)offset;
}
