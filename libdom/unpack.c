/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the packed stream in a bzImage, and unpacks it in the four formats that kernels use
 * today. */
#include "libdom/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Offsets of the setup header. */
#define HDR_SETUP_SECTS	   0x1f1u
#define HDR_MAGIC	   0x202u
#define HDR_VERSION	   0x206u
#define HDR_PAYLOAD_OFFSET 0x248u
#define HDR_PAYLOAD_LENGTH 0x24cu
#define HDR_END		   0x250u
#define PROTOCOL_PAYLOAD   0x208u /* the first version that names the payload */

/* Linux packs with dictionaries and windows of at most 128 MiB. */
#define XZ_MEMORY	(160ull << 20)
#define ZSTD_WINDOW_LOG 27
#define PIECE		(256u << 10) /* unpacked at a time */

/* LZ4's legacy frame: a magic, then blocks of 4 bytes length and what unpacks to 8 MiB at most. */
#define LZ4_MAGIC 0x184c2102u
#define LZ4_BLOCK (8u << 20)

static const struct {
	enum packing packing;
	const char *name;
	uint8_t magic[6];
	uint32_t len;
} known[] = {
	{PACK_GZIP, "gzip", {0x1f, 0x8b}, 2},
	{PACK_XZ, "xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6},
	{PACK_ZSTD, "zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4},
	{PACK_LZ4, "lz4", {0x02, 0x21, 0x4c, 0x18}, 4},
	{PACK_OTHER, "bzip2", {'B', 'Z', 'h'}, 3},
	{PACK_OTHER, "lzma", {0x5d, 0, 0}, 3},
	{PACK_OTHER, "lzo", {0x89, 'L', 'Z', 'O'}, 4},
	{PACK_NONE, "ELF", {0x7f, 'E', 'L', 'F'}, 4},
};

static uint32_t load32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static void recognise(const uint8_t *file, struct packed *p)
{
	p->packing = PACK_OTHER;
	p->name = "an unknown way";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (p->bytes >= known[i].len &&
		    memcmp(file + p->offset, known[i].magic, known[i].len) == 0) {
			p->packing = known[i].packing;
			p->name = known[i].name;
			return;
		}
	}
}

int bzimage_is(const uint8_t *file, size_t bytes)
{
	return bytes >= HDR_END && memcmp(file + HDR_MAGIC, "HdrS", 4) == 0;
}

int packed_find(const uint8_t *file, size_t bytes, struct packed *out, struct err *e)
{
	uint64_t start;
	uint64_t sectors;

	*out = (struct packed){.offset = 0, .bytes = bytes};
	if (bzimage_is(file, bytes)) {
		uint32_t version = load32(file + HDR_VERSION) & 0xffff;

		if (version < PROTOCOL_PAYLOAD)
			return err_set(
				e, ENOEXEC,
				"a bzImage of boot protocol %u.%02u: too old, 2.08 is needed",
				version >> 8, version & 0xff);
		sectors = file[HDR_SETUP_SECTS] ? file[HDR_SETUP_SECTS] : 4;
		start = (sectors + 1) * 512 + load32(file + HDR_PAYLOAD_OFFSET);
		out->offset = (size_t)start;
		out->bytes = load32(file + HDR_PAYLOAD_LENGTH);
		if (start > bytes || out->bytes > bytes - start || out->bytes < 16)
			return err_set(
				e, ENOEXEC,
				"the bzImage's kernel lies outside the file (is it cut off?)");
	}
	recognise(file, out);
	if (out->packing == PACK_OTHER)
		return err_set(e, ENOEXEC,
			       "the kernel is packed by %s; gzip, xz, zstd and lz4 are understood",
			       out->name);
	return 0;
}

/* The sink for unpacked bytes, and the number that may still come. */
struct output {
	unpack_sink *sink;
	void *arg;
	uint64_t left;
	uint8_t *piece;
};

static int put(struct output *o, size_t n)
{
	if (n > o->left)
		return -E2BIG;
	o->left -= n;
	return n ? o->sink(o->arg, o->piece, n) : 0;
}

static int open_gzip(const uint8_t *from, size_t bytes, struct output *o)
{
	z_stream z = {0};
	int rc = 0;
	int end = Z_OK;

	if (bytes > UINT32_MAX || inflateInit2(&z, 15 + 16) != Z_OK)
		return -ENOMEM;
	z.next_in = (Bytef *)(uintptr_t)from; /* zlib only reads it */
	z.avail_in = (uInt)bytes;
	while (rc == 0 && end == Z_OK) {
		z.next_out = o->piece;
		z.avail_out = PIECE;
		end = inflate(&z, Z_NO_FLUSH);
		if (end == Z_OK || end == Z_STREAM_END)
			rc = put(o, PIECE - z.avail_out);
	}
	(void)inflateEnd(&z);
	if (rc == 0 && end != Z_STREAM_END) /* Z_BUF_ERROR: cut off */
		rc = end == Z_MEM_ERROR ? -ENOMEM : -EINVAL;
	return rc;
}

static int open_xz(const uint8_t *from, size_t bytes, struct output *o)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret end = lzma_stream_decoder(&s, XZ_MEMORY, 0);
	int rc = 0;

	s.next_in = from;
	s.avail_in = bytes;
	/* Behind the stream come four bytes of size, so decoding stops at the stream's end. */
	while (rc == 0 && end == LZMA_OK) {
		s.next_out = o->piece;
		s.avail_out = PIECE;
		end = lzma_code(&s, LZMA_RUN);
		if (end == LZMA_OK || end == LZMA_STREAM_END)
			rc = put(o, PIECE - s.avail_out);
	}
	lzma_end(&s);
	if (rc == 0 && end != LZMA_STREAM_END)
		rc = end == LZMA_MEM_ERROR || end == LZMA_MEMLIMIT_ERROR ? -ENOMEM : -EINVAL;
	return rc;
}

static int open_zstd(const uint8_t *from, size_t bytes, struct output *o)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	ZSTD_inBuffer in = {from, bytes, 0};
	size_t end = 1;
	int rc = 0;

	if (!z)
		return -ENOMEM;
	(void)ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	while (rc == 0 && end != 0) {
		ZSTD_outBuffer out = {o->piece, PIECE, 0};
		size_t before = in.pos;

		end = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(end))
			rc = ZSTD_getErrorCode(end) == ZSTD_error_memory_allocation ||
					     ZSTD_getErrorCode(end) ==
						     ZSTD_error_frameParameter_windowTooLarge
				     ? -ENOMEM
				     : -EINVAL;
		else if (end != 0 && out.pos == 0 && in.pos == before)
			rc = -EINVAL; /* cut off */
		else
			rc = put(o, out.pos);
	}
	(void)ZSTD_freeDCtx(z);
	return rc;
}

static int open_lz4(const uint8_t *from, size_t bytes, struct output *o)
{
	bool any = false;
	size_t at = 4;

	for (;;) {
		uint32_t block;
		int n;
		int rc;

		/* As with xz, four bytes of size follow. */
		if (bytes - at < 4 || (bytes - at == 4 && any))
			return any ? 0 : -EINVAL;
		block = load32(from + at);
		at += 4;
		if (block == LZ4_MAGIC) /* frames may follow each other */
			continue;
		if (block == 0 || block > bytes - at || block > LZ4_COMPRESSBOUND(LZ4_BLOCK))
			return -EINVAL;
		n = LZ4_decompress_safe((const char *)from + at, (char *)o->piece, (int)block,
					(int)LZ4_BLOCK);
		if (n < 0)
			return -EINVAL;
		rc = put(o, (size_t)n);
		if (rc < 0)
			return rc;
		at += block;
		any = any || n > 0;
	}
}

static int open_plain(const uint8_t *from, size_t bytes, struct output *o)
{
	if (bytes > o->left)
		return -E2BIG;
	return o->sink(o->arg, from, bytes);
}

int packed_open(const uint8_t *file, const struct packed *p, uint64_t limit, unpack_sink *sink,
		void *arg)
{
	static int (*const opener[])(const uint8_t *from, size_t bytes, struct output *o) = {
		[PACK_NONE] = open_plain, [PACK_GZIP] = open_gzip, [PACK_XZ] = open_xz,
		[PACK_ZSTD] = open_zstd,  [PACK_LZ4] = open_lz4,
	};
	struct output o = {.sink = sink, .arg = arg, .left = limit};
	int rc;

	if (p->packing == PACK_OTHER)
		return -EINVAL;
	o.piece = malloc(p->packing == PACK_LZ4 ? LZ4_BLOCK : PIECE);
	if (!o.piece)
		return -ENOMEM;
	rc = opener[p->packing](file + p->offset, p->bytes, &o);
	free(o.piece);
	return rc;
}
