/* SPDX-License-Identifier: BSD-3-Clause */
/* A xenstored in this process, behind libxenstore's functions: it refuses, conflicts and dies. */
#ifndef CHAOS_XENSTORED_HELP_H
#define CHAOS_XENSTORED_HELP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern atomic_int xs_opened; /* connections; below 0: none is to be had */
extern atomic_int xs_conflicts, xs_refuse_start, xs_looks, xs_reads, xs_commits, xs_aborts;
extern char xs_refused[96]; /* what may not be written, ... */
extern int xs_refusal;	    /* ... and the error */

void xs_reset(void);
/* As if another client had written (NULL: removed, with all below); watches that cover it fire. */
void xs_put_in(const char *path, const char *value);
/* A node is there with that value; NULL: there is none, nor anything below. */
bool xs_has(const char *path, const char *value);
uint32_t xs_watches(void);
/* Its end of the connection closes. */
void xs_dies(void);

#endif
