/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the packed kernel in a bzImage. No side effects. Source: Linux
 * Documentation/arch/x86/boot.rst. */
#ifndef CHAOS_LIBDOM_UNPACK_H
#define CHAOS_LIBDOM_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum packing { PACK_NONE, PACK_GZIP, PACK_XZ, PACK_ZSTD, PACK_LZ4, PACK_OTHER };

struct packed {
	enum packing packing;
	const char *name;     /* "gzip", ...; also set for PACK_OTHER */
	size_t offset, bytes; /* the packed stream, within the file */
};

/* True when the file begins like a bzImage. */
int bzimage_is(const uint8_t *file, size_t bytes);
/* Finds the packed stream of a bzImage, or takes the whole file if it is packed itself. -ENOEXEC
 * with a reason if there is none. */
int packed_find(const uint8_t *file, size_t bytes, struct packed *out, struct err *e);
/* Gets the next `n` unpacked bytes; returns 0, or -errno, which stops the unpacking. */
typedef int unpack_sink(void *arg, const uint8_t *data, size_t n);

/* Maximal memory for unpacking in addition to the packed file: windows, dictionaries, blocks. */
#define UNPACK_MEMORY (256ull << 20)

/* Unpacks in this process, piece by piece. Returns 0; -E2BIG after `limit` bytes; -ENOMEM if
 * more than UNPACK_MEMORY is needed; -EINVAL for damaged data; or the result of the sink. */
int packed_open(const uint8_t *file, const struct packed *p, uint64_t limit, unpack_sink *sink,
		void *arg);

#endif
