/*
 * file_content — the bytes of a file, read whole.
 */
#pragma once

#include <stddef.h>

/*
 * 0, with `*bytes` of the heap (the caller's, never NULL); else an errno: EFBIG when it has more
 * than `bytes_max`. Blocks where the file does.
 */
int file_content_read(const char *path, size_t bytes_max, char **bytes, size_t *length);
