/* SPDX-License-Identifier: BSD-3-Clause */
/* The initramfs of a Linux VM: the agent, and the container's root as a folder, or what lies over
 * the image of that root. */
#ifndef CHAOS_OCI_INITRD_H
#define CHAOS_OCI_INITRD_H

#include "base/err.h"
#include "oci/bundle.h"
#include "oci/layers.h"

/* Writes it into memory: an open file, the caller's. `b`: NULL for a VM that has no root of its
 * own; `agent`: path of process 1; `modules`: a folder with modules of the kernel, and a file
 * "order" that names those to be loaded, a line each (there may be none); `l`: the root is on a
 * disk, and these layers lie over it (NULL: the whole root is packed); `bytes`: how large it
 * became. What the bundle binds is in it as it is now. -ENOTSUP: a folder that would have to be
 * shared; -EFBIG: it is too large for a VM's memory. */
int initrd_make(const struct bundle *b, const char *agent, const char *modules,
		const struct layers *l, uint64_t *bytes, struct err *e);

/* Of such a file: the files that engines write into the bundle (resolv.conf, hosts, hostname) are
 * put again, as they are now: hooks may have changed them. */
int initrd_renew(const struct bundle *b, int fd, struct err *e);

/* The container's part of it alone. */
int initrd_make_part(const struct bundle *b, const struct layers *l, uint64_t *bytes,
		     struct err *e);
/* All of it, with the container's part from a file of initrd_make_part(). */
int initrd_join(const char *agent, const char *modules, int part, struct err *e);

#endif
