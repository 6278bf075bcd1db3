/* SPDX-License-Identifier: BSD-3-Clause */
/* The check of libxenguest's stream: each wrong number is found, in pieces of any size. */
#include "libdom/save_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define FRAMES 600u
#define VCPUS  2u

static uint8_t stream[64 << 10];
static size_t length;

static void add(const void *data, size_t n)
{
	memcpy(stream + length, data, n);
	length += n;
}

static void add_zeroes(size_t n)
{
	memset(stream + length, 0, n);
	length += n;
}

static void add_head(uint32_t type, uint32_t bytes)
{
	uint32_t head[2] = {type, bytes};

	add(head, sizeof(head));
}

/* Offsets of what the tests change. */
static size_t at_p2m, at_vcpu, at_pages, at_end;

static void make(void)
{
	static const uint8_t first[40] = {255, 255, 255, 255, 255, 255, 255, 255,      'X',
					  'E', 'N', 'F', 0,   0,   0,	3,   [24] = 1, [28] = 12};
	const uint8_t info[8] = {8, 4};
	const uint32_t p2m[2] = {0, FRAMES - 1};
	const uint32_t vcpu[2] = {VCPUS - 1, 0};
	const uint32_t pages[2] = {3, 0};
	const uint64_t frame[3] = {5, 9ull << 60 | 6, 15ull << 60 | 7};

	length = 0;
	add(first, sizeof(first));
	add_head(0x11, 28); /* padded to 32 */
	add_zeroes(32);
	add_head(0x10, 0);
	add_head(2, sizeof(info));
	add(info, sizeof(info));
	at_p2m = length;
	add_head(3, 8 + 2 * 8);
	add(p2m, sizeof(p2m));
	add_zeroes(16);
	at_pages = length;
	add_head(1, 8 + 3 * 8 + 2 * 4096);
	add(pages, sizeof(pages));
	add(frame, sizeof(frame));
	add_zeroes(2 * 4096);
	at_vcpu = length;
	add_head(4, 5160);
	add(vcpu, sizeof(vcpu));
	add_zeroes(5152);
	at_end = length;
	add_head(0, 0);
}

static int check_in(size_t piece, size_t *used, struct err *e)
{
	struct records *r = malloc(sizeof(*r));
	int rc = 0;

	records_begin(r, FRAMES, VCPUS);
	*used = 0;
	for (size_t at = 0; rc == 0 && at < length; at += piece) {
		size_t n = length - at < piece ? length - at : piece;
		uint8_t *copy = malloc(n); /* of its size, for the sanitizer */
		size_t now;

		memcpy(copy, stream + at, n);
		rc = records_check(r, copy, n, &now, e);
		*used += now;
		free(copy);
	}
	if (rc == 0)
		rc = records_over(r);
	free(r);
	return rc;
}

/* 1: it is a whole stream; 0: cut; -EPROTO. */
static int check(size_t *used)
{
	struct err e = {0};
	size_t other;
	int rc = check_in(length, used, &e);

	assert_true(rc >= 0 || strstr(e.msg, "the file is damaged: "));
	assert_int_equal(check_in(1, &other, &e), rc);
	assert_int_equal(check_in(37, &other, &e), rc);
	return rc;
}

static void whole(void **state)
{
	size_t used;

	(void)state;
	make();
	assert_int_equal(check(&used), 1);
	assert_int_equal(used, length);
	add_zeroes(100); /* what follows is not of the stream */
	assert_int_equal(check(&used), 1);
	assert_int_equal(used, length - 100);
}

static void cut(void **state)
{
	size_t used;

	(void)state;
	make();
	while (length) {
		length--;
		assert_int_equal(check_in(length + 1, &used, NULL), 0);
		assert_int_equal(used, length);
	}
}

static void refused(size_t at, uint32_t value)
{
	size_t used;

	make();
	memcpy(stream + at, &value, sizeof(value));
	assert_int_equal(check(&used), -EPROTO);
}

static void wrong(void **state)
{
	(void)state;
	refused(0, 0);			   /* marker */
	refused(8, 0);			   /* id */
	refused(12, 2u << 24);		   /* version */
	refused(16, 1);			   /* big-endian */
	refused(24, 2);			   /* HVM */
	refused(28, 13);		   /* size of pages */
	refused(40, 0x12345);		   /* kind */
	refused(40, 9);			   /* HVM context */
	refused(40, 0xd);		   /* verify */
	refused(40, 0xe);		   /* checkpoint */
	refused(40, 0x80000011);	   /* optional */
	refused(44, UINT32_MAX);	   /* bytes */
	refused(at_p2m - 8, 4);		   /* 32 bits */
	refused(at_p2m + 4, 8);		   /* fewer frames */
	refused(at_p2m + 8, FRAMES);	   /* first > last */
	refused(at_p2m + 12, FRAMES);	   /* outside */
	refused(at_p2m + 12, 100);	   /* another length */
	refused(at_pages + 8, 0);	   /* no pages */
	refused(at_pages + 8, 2);	   /* another length */
	refused(at_pages + 8, 1025);	   /* too many */
	refused(at_pages + 8, UINT32_MAX); /* more than its bytes */
	refused(at_pages + 16, FRAMES);	   /* outside */
	refused(at_pages + 20, 5u << 28);  /* kind of page */
	refused(at_pages + 20, 1u << 20);  /* bits between number and kind */
	refused(at_vcpu + 4, 4);	   /* too short */
	refused(at_vcpu + 8, VCPUS);	   /* no such vCPU */
	refused(at_end + 4, 8);		   /* an end with bytes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(cut),
		cmocka_unit_test(wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
