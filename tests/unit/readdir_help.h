/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder that cannot be read to its end, for units with the wrap "readdir64". */
#ifndef CHAOS_READDIR_HELP_H
#define CHAOS_READDIR_HELP_H

#include <stdbool.h>
#include <stdint.h>

/* The nth call of readdir() from now fails (EIO), and so do those behind it on the same folder;
 * 0: none. */
void readdir_fail_at(uint32_t nth);
bool readdir_failed(void);

#endif
