/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the packed kernel lies in a bzImage. Pure. Source: Linux Documentation/arch/x86/boot.rst.
 */
#ifndef CHAOS_LIBDOM_UNPACK_H
#define CHAOS_LIBDOM_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum packing { PACK_NONE, PACK_GZIP, PACK_XZ, PACK_ZSTD, PACK_LZ4, PACK_OTHER };

struct packed {
	enum packing packing;
	const char *name;     /* "gzip", ..., of PACK_OTHER too */
	size_t offset, bytes; /* of the packed stream; inside the file */
};

/* True when the file begins like a bzImage. */
int bzimage_is(const uint8_t *file, size_t bytes);
/* Finds the stream of a bzImage, or takes the whole file when it is packed itself. -ENOEXEC with a
 * reason when there is none. */
int packed_find(const uint8_t *file, size_t bytes, struct packed *out, struct err *e);
/* Unpacks in this process; at most `room` bytes to `to`. Returns 0 and *len, or -errno. */
int packed_open(const uint8_t *file, const struct packed *p, uint8_t *to, size_t room, size_t *len);

#endif
