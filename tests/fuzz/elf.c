/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes through the ELF and note parser, and what it takes through the layouts. */
#include "libdom/image_elf.h"
#include "libdom/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image img;
	struct err e = {0};
	struct layout l;
	uint64_t need;
	int rc = elf_parse(data, size, &img, &e);

	if (img.work > ELF_WORK_MAX(size) + 4096)
		__builtin_trap(); /* looked at the same bytes too often */
	if (rc < 0) {
		if (e.msg[0] == '\0')
			__builtin_trap(); /* a refusal without words */
		return 0;
	}
	for (uint32_t i = 0; i < img.nsegment; i++)
		if (img.segment[i].offset + img.segment[i].filesz > size ||
		    img.segment[i].filesz > img.segment[i].memsz ||
		    (i &&
		     img.segment[i - 1].paddr + img.segment[i - 1].memsz > img.segment[i].paddr))
			__builtin_trap();
	(void)elf_check_pv(&img, &e);
	(void)elf_check_pvh(&img, &e);
	for (int k = 0; k < 4; k++) {
		struct layout_in in = {.type = k & 1 ? DOM_PVH : DOM_PV,
				       .direct = k & 2,
				       .pages = 4096,
				       .virt_base = img.notes.virt_base,
				       .image_end = img.end,
				       .cmdline_bytes = 10};

		(void)layout_make(&in, &l, &need, NULL);
	}
	return 0;
}
