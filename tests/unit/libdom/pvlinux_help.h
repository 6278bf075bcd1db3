/* SPDX-License-Identifier: BSD-3-Clause */
/* A PV guest without noxs, to be saved and restored on the fake hypervisor. */
#ifndef CHAOS_UNIT_PVLINUX_HELP_H
#define CHAOS_UNIT_PVLINUX_HELP_H

#include "libdom/save_pvlinux.h"
#include "tests/fake/fake.h"
#include "tests/unit/libdom/pages_help.h"
#include "tests/unit/unit.h"

#define PAGES 256u /* memory of Linux guests is in whole MiB */

extern struct xen *x;
extern const char owner[17]; /* of the save */

/* A guest each page of which has another byte. */
void live(struct dom *d);
void end(struct dom *d, int fd);
int save(const struct dom *d, int fd, struct save_stats *st, struct err *e);
int restore(int fd, struct dom *d, struct save_stats *st, struct err *e);
int new_file(void);
/* A file with a guest, which goes on. */
int saved(struct dom *d);

#endif
