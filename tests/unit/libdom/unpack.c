/* SPDX-License-Identifier: BSD-3-Clause */
/* bzImages: the stream is found, unpacked by each of the four ways, and nothing lies outside. */
#include "libdom/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/unit/unit.h"

#define SETUP 1024u

static uint8_t *bzimage(const uint8_t *payload, size_t n, size_t *bytes)
{
	uint32_t offset = 16;
	uint32_t len = (uint32_t)n;
	uint8_t *f;

	*bytes = SETUP + offset + n;
	f = calloc(1, *bytes);
	assert_non_null(f);
	f[0x1f1] = 1;
	memcpy(f + 0x202, "HdrS", 4);
	f[0x206] = 0x0f;
	f[0x207] = 2;
	memcpy(f + 0x248, &offset, 4);
	memcpy(f + 0x24c, &len, 4);
	memcpy(f + SETUP + offset, payload, n);
	return f;
}

/* Collects what is unpacked. */
struct room {
	uint8_t *to;
	size_t room, len;
};

static int collect(void *arg, const uint8_t *data, size_t n)
{
	struct room *r = arg;

	assert_true(n > 0);
	assert_true(r->len + n <= r->room); /* never behind the limit */
	memcpy(r->to + r->len, data, n);
	r->len += n;
	return 0;
}

static int open_to(const uint8_t *f, const struct packed *p, uint8_t *to, size_t room, size_t *len)
{
	struct room r = {to, room, 0};
	int rc = packed_open(f, p, room, collect, &r);

	*len = r.len;
	return rc;
}

/* Takes the first piece and wants no more. */
static int enough(void *arg, const uint8_t *data, size_t n)
{
	(void)data;
	*(size_t *)arg += n;
	return -ECANCELED;
}

static void check(const uint8_t *payload, size_t n, enum packing want, const uint8_t *text,
		  size_t len)
{
	uint8_t *to = malloc(len);
	struct packed p;
	size_t bytes;
	uint8_t *f = bzimage(payload, n, &bytes);
	size_t got;

	assert_non_null(to);
	assert_int_equal(packed_find(f, bytes, &p, NULL), 0);
	assert_int_equal(p.packing, want);
	assert_int_equal(open_to(f, &p, to, len, &got), 0);
	assert_int_equal(got, len);
	assert_memory_equal(to, text, len);
	assert_int_equal(open_to(f, &p, to, len / 2, &got), -E2BIG);
	got = 0;
	assert_int_equal(packed_open(f, &p, len, enough, &got), -ECANCELED);
	assert_true(got > 0);
	p.bytes /= 2; /* cut off */
	assert_int_equal(open_to(f, &p, to, len, &got), -EINVAL);
	p.bytes *= 2;
	f[bytes - n / 2] ^= 0x55; /* damaged in the middle */
	(void)open_to(f, &p, to, len, &got);
	free(to);
	free(f);
}

/* LZ4's legacy frame, in two blocks. */
static size_t lz4_legacy(uint8_t *out, size_t room, const uint8_t *text, size_t bytes)
{
	static const uint8_t magic[4] = {0x02, 0x21, 0x4c, 0x18};
	size_t at = sizeof(magic);

	memcpy(out, magic, sizeof(magic));
	for (size_t half = 0; half < 2; half++) {
		int n = LZ4_compress_default((const char *)text + half * (bytes / 2),
					     (char *)out + at + 4, (int)(bytes / 2),
					     (int)(room - at - 4));

		assert_true(n > 0);
		memcpy(out + at, &n, 4);
		at += 4 + (size_t)n;
	}
	return at;
}

static void lz4_lengths_lie(void **state)
{
	static const uint32_t lies[] = {0, 5, 1u << 20, UINT32_MAX};
	uint8_t payload[32] = {0x02, 0x21, 0x4c, 0x18};
	uint8_t to[64];

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct packed p;
		size_t bytes, len;
		uint8_t *f;

		memcpy(payload + 4, &lies[i], 4);
		f = bzimage(payload, sizeof(payload), &bytes);
		assert_int_equal(packed_find(f, bytes, &p, NULL), 0);
		assert_true(open_to(f, &p, to, sizeof(to), &len) < 0);
		free(f);
	}
}

static void four_ways(void **state)
{
	static uint8_t text[40000];
	static uint8_t out[50000];
	z_stream z = {0};
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * i >> 5);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = text;
	z.avail_in = sizeof(text);
	z.next_out = out;
	z.avail_out = sizeof(out);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n = z.total_out;
	(void)deflateEnd(&z);
	check(out, n + 4, PACK_GZIP, text, sizeof(text)); /* the kernel's size follows the stream */
	n = 0;
	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, text, sizeof(text), out,
						 &n, sizeof(out)),
			 LZMA_OK);
	check(out, n + 4, PACK_XZ, text, sizeof(text));
	n = ZSTD_compress(out, sizeof(out), text, sizeof(text), 1);
	check(out, n + 4, PACK_ZSTD, text, sizeof(text));
	n = lz4_legacy(out, sizeof(out), text, sizeof(text));
	check(out, n + 4, PACK_LZ4, text, sizeof(text));
}

static void refuse_greedy(const uint8_t *payload, size_t n)
{
	struct packed p;
	size_t bytes, len;
	uint8_t to[64];
	uint8_t *f = bzimage(payload, n, &bytes);

	assert_int_equal(packed_find(f, bytes, &p, NULL), 0);
	assert_int_equal(open_to(f, &p, to, sizeof(to), &len), -ENOMEM);
	assert_int_equal(len, 0);
	free(f);
}

/* What a stream may claim to need has a limit: nothing is unpacked behind it. */
static void greedy_streams_are_refused(void **state)
{
	/* A window of 512 MiB, and one last block of a byte. */
	static const uint8_t zstd[20] = {0x28, 0xb5, 0x2f, 0xfd, 0, 19 << 3, 9, 0, 0, 'x'};
	static const uint8_t text[16];
	static uint8_t xz[1024];
	uint8_t *block = xz + 12;
	uint32_t crc;
	size_t n = 0;

	(void)state;
	refuse_greedy(zstd, sizeof(zstd));
	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, text, sizeof(text), xz,
						 &n, sizeof(xz)),
			 LZMA_OK);
	assert_int_equal(block[0], 2);	  /* its header has 12 bytes: ... */
	assert_int_equal(block[4], 0x21); /* LZMA2, behind flags and two sizes */
	block[6] = 34;			  /* a dictionary of 512 MiB */
	crc = lzma_crc32(block, 8, 0);
	memcpy(block + 8, &crc, sizeof(crc));
	refuse_greedy(xz, n + 4);
}

static void outside_is_refused(void **state)
{
	uint8_t payload[64] = {0x1f, 0x8b};
	struct packed p;
	struct err e = {0};
	size_t bytes;
	uint8_t *f = bzimage(payload, sizeof(payload), &bytes);
	uint32_t huge = UINT32_MAX;

	(void)state;
	memcpy(f + 0x24c, &huge, 4);
	assert_int_equal(packed_find(f, bytes, &p, &e), -ENOEXEC);
	memcpy(f + 0x248, &huge, 4);
	assert_int_equal(packed_find(f, bytes, &p, &e), -ENOEXEC);
	f[0x206] = 1;
	assert_int_equal(packed_find(f, bytes, &p, &e), -ENOEXEC);
	assert_non_null(strstr(e.msg, "2.08"));
	free(f);
	f = bzimage((const uint8_t *)"BZh91AY&SY012345", 16, &bytes);
	assert_int_equal(packed_find(f, bytes, &p, &e), -ENOEXEC);
	assert_non_null(strstr(e.msg, "bzip2"));
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_ways),
		cmocka_unit_test(greedy_streams_are_refused),
		cmocka_unit_test(lz4_lengths_lie),
		cmocka_unit_test(outside_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
