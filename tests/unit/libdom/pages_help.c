/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/libdom/pages_help.h"

#include <string.h>
#include <sys/mman.h>

#include "tests/fake/fake.h"
#include "tests/unit/unit.h"

void fill(uint32_t domid, uint64_t gfn, int byte)
{
	uint8_t *at = fake_page(domid, gfn);

	assert_non_null(at);
	memset(at, byte, PAGE);
	(void)munmap(at, PAGE);
}

int first_byte(uint32_t domid, uint64_t gfn)
{
	uint8_t *at = fake_page(domid, gfn);
	int byte;

	assert_non_null(at);
	byte = at[0];
	for (uint32_t i = 0; i < PAGE; i++)
		assert_int_equal(at[i], byte);
	(void)munmap(at, PAGE);
	return byte;
}
