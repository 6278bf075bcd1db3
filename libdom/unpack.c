/* SPDX-License-Identifier: BSD-3-Clause */
/* The packed stream inside a bzImage, and the four ways to unpack it that kernels use today. */
#include "libdom/unpack.h"

#include <errno.h>
#include <string.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

/* Offsets of the setup header. */
#define HDR_SETUP_SECTS	   0x1f1u
#define HDR_MAGIC	   0x202u
#define HDR_VERSION	   0x206u
#define HDR_PAYLOAD_OFFSET 0x248u
#define HDR_PAYLOAD_LENGTH 0x24cu
#define HDR_END		   0x250u
#define PROTOCOL_PAYLOAD   0x208u /* the first version that names the payload */

#define XZ_MEMORY (256ull << 20)

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

static int open_gzip(const uint8_t *from, size_t bytes, uint8_t *to, size_t room, size_t *len)
{
	z_stream z = {0};
	int rc;

	if (bytes > UINT32_MAX || room > UINT32_MAX || inflateInit2(&z, 15 + 16) != Z_OK)
		return -ENOMEM;
	z.next_in = (Bytef *)(uintptr_t)from; /* zlib only reads it */
	z.avail_in = (uInt)bytes;
	z.next_out = to;
	z.avail_out = (uInt)room;
	rc = inflate(&z, Z_FINISH);
	*len = z.total_out;
	(void)inflateEnd(&z);
	if (rc == Z_STREAM_END)
		return 0;
	return z.avail_out == 0 ? -E2BIG : -EINVAL;
}

static int open_xz(const uint8_t *from, size_t bytes, uint8_t *to, size_t room, size_t *len)
{
	uint64_t limit = XZ_MEMORY;
	size_t in = 0;
	size_t out = 0;
	lzma_ret rc;

	/* Behind the stream come four bytes of size, so decoding stops at the stream's end. */
	rc = lzma_stream_buffer_decode(&limit, 0, NULL, from, &in, bytes, to, &out, room);
	*len = out;
	if (rc == LZMA_OK)
		return 0;
	if (rc == LZMA_BUF_ERROR)
		return -E2BIG;
	return rc == LZMA_MEM_ERROR || rc == LZMA_MEMLIMIT_ERROR ? -ENOMEM : -EINVAL;
}

static int open_zstd(const uint8_t *from, size_t bytes, uint8_t *to, size_t room, size_t *len)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	ZSTD_inBuffer in = {from, bytes, 0};
	ZSTD_outBuffer out = {to, room, 0};
	size_t rc = 1;

	if (!z)
		return -ENOMEM;
	(void)ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, 28);
	while (rc != 0 && !ZSTD_isError(rc) && out.pos < out.size && in.pos < in.size)
		rc = ZSTD_decompressStream(z, &out, &in);
	(void)ZSTD_freeDCtx(z);
	*len = out.pos;
	if (rc == 0)
		return 0;
	return !ZSTD_isError(rc) && out.pos == out.size ? -E2BIG : -EINVAL;
}

static int open_lz4(const uint8_t *from, size_t bytes, uint8_t *to, size_t room, size_t *len)
{
	size_t at = 4;

	*len = 0;
	for (;;) {
		size_t left = room - *len;
		uint32_t block;
		int n;

		/* As with xz, four bytes of size follow. */
		if (bytes - at < 4 || (bytes - at == 4 && *len > 0))
			return *len > 0 ? 0 : -EINVAL;
		block = load32(from + at);
		at += 4;
		if (block == LZ4_MAGIC) /* frames may follow each other */
			continue;
		if (block == 0 || block > bytes - at || block > LZ4_COMPRESSBOUND(LZ4_BLOCK))
			return -EINVAL;
		n = LZ4_decompress_safe((const char *)from + at, (char *)to + *len, (int)block,
					left < LZ4_BLOCK ? (int)left : (int)LZ4_BLOCK);
		if (n < 0)
			return left < LZ4_BLOCK ? -E2BIG : -EINVAL;
		at += block;
		*len += (size_t)n;
	}
}

int packed_open(const uint8_t *file, const struct packed *p, uint8_t *to, size_t room, size_t *len)
{
	const uint8_t *from = file + p->offset;

	*len = 0;
	switch (p->packing) {
	case PACK_GZIP:
		return open_gzip(from, p->bytes, to, room, len);
	case PACK_XZ:
		return open_xz(from, p->bytes, to, room, len);
	case PACK_ZSTD:
		return open_zstd(from, p->bytes, to, room, len);
	case PACK_LZ4:
		return open_lz4(from, p->bytes, to, room, len);
	case PACK_NONE:
		if (p->bytes > room)
			return -E2BIG;
		memcpy(to, from, p->bytes);
		*len = p->bytes;
		return 0;
	case PACK_OTHER:
		break;
	}
	return -EINVAL;
}
