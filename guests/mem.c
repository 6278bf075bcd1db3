/* SPDX-License-Identifier: BSD-3-Clause */
/* mem: is all memory there, zero and writable? Then leaves a pattern for its successor to not find.
 */
#include "kit/kit.h"

#define PATTERN 0x6368616f73006d65ull
#define WORDS	(PAGE_SIZE / sizeof(uint64_t))

static bool is_free(uint64_t gfn)
{
	volatile struct noxs_page *p = kit.page;
	uint64_t device = (uint64_t)p / PAGE_SIZE;

	return gfn != device && gfn != p->control_gfn &&
	       !(gfn >= p->page_table_gfn && gfn < p->page_table_gfn + p->page_table_pages);
}

static int check_zero(uint64_t gfn)
{
	const uint64_t *word = (const uint64_t *)(gfn * PAGE_SIZE);

	for (unsigned int i = 0; i < WORDS; i++) {
		if (word[i] == 0)
			continue;
		kit_print("mem: not zero at 0x%lx: 0x%lx\r\n", (unsigned long)&word[i],
			  (unsigned long)word[i]);
		return 1;
	}
	return 0;
}

static int check_writable(uint64_t gfn)
{
	volatile uint64_t *word = (volatile uint64_t *)(gfn * PAGE_SIZE);

	for (unsigned int i = 0; i < WORDS; i++)
		word[i] = PATTERN ^ (uint64_t)&word[i];
	for (unsigned int i = 0; i < WORDS; i++) {
		if (word[i] == (PATTERN ^ (uint64_t)&word[i]))
			continue;
		kit_print("mem: not writable at 0x%lx\r\n", (unsigned long)&word[i]);
		return 2;
	}
	return 0;
}

int guest_main(void)
{
	uint64_t end;
	uint64_t checked = 0;
	int bad = 0;

	kit_traps();
	if (!kit.page) {
		kit_print("mem: no device page, so nothing is known of memory\r\n");
		return 3;
	}
	end = kit.page->mem_pages;
	kit.control->untouched_end = 0; /* it uses all of it */
	/* Page 0 is below the image and RAM like the rest. */
	for (uint64_t gfn = 0; gfn < end && !bad; gfn = gfn ? gfn + 1 : kit.page->image_end_gfn) {
		if (is_free(gfn)) {
			bad = check_zero(gfn);
			checked++;
		}
	}
	/* Also when it was not zero: the next one is to find the pattern. */
	for (uint64_t gfn = 0; gfn < end && bad != 2; gfn = gfn ? gfn + 1 : kit.page->image_end_gfn)
		if (is_free(gfn) && check_writable(gfn))
			bad = 2;
	kit_ready();
	kit_print("mem: %lu of %lu pages checked: %s\r\n", (unsigned long)checked,
		  (unsigned long)end, bad ? "BAD" : "all zero and writable");
	return bad;
}
