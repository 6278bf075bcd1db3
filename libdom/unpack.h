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
/* Takes the next `n` bytes of what is unpacked; 0, or -errno, which ends it. */
typedef int unpack_sink(void *arg, const uint8_t *data, size_t n);

/* What unpacking needs beside the packed file, at most: windows, dictionaries, blocks. */
#define UNPACK_MEMORY (256ull << 20)

/* Unpacks in this process, piece by piece. Returns 0; -E2BIG behind `limit` bytes; -ENOMEM when it
 * wants more than UNPACK_MEMORY; -EINVAL for damaged data; or what the sink returned. */
int packed_open(const uint8_t *file, const struct packed *p, uint64_t limit, unpack_sink *sink,
		void *arg);

#endif
