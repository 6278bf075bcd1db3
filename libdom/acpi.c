/* SPDX-License-Identifier: BSD-3-Clause */
/* The smallest ACPI a PVH kernel can live with: without a MADT Linux never sets up its local APIC.
 * Source: ACPI specification 6.4, chapter 5 (offsets of RSDP, XSDT, FADT, MADT). */
#include <string.h>

#include "libdom/build.h"

/* Where the tables lie in the page. */
#define XSDT 64u
#define FADT 128u
#define DSDT 400u
#define MADT 448u

#define HEADER_BYTES 36u
#define FADT_BYTES   268u /* revision 5 */
#define LAPIC_BYTES  8u
#define LAPIC_BASE   0xfee00000u

/* FADT: no VGA, no CMOS clock; nothing legacy. */
#define BOOT_ARCH (1u << 2 | 1u << 5)
/* FADT: hardware-reduced, no fixed power or sleep button, C1 works, WBINVD works. */
#define FLAGS (1u << 20 | 1u << 5 | 1u << 4 | 1u << 2 | 1u)

static void put(uint8_t *at, uint64_t value, uint32_t bytes)
{
	memcpy(at, &value, bytes);
}

/* Makes the bytes of a table sum up to zero. */
static void checksum(uint8_t *table, uint32_t len, uint32_t at)
{
	uint8_t sum = 0;

	table[at] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + table[i]);
	table[at] = (uint8_t)-sum;
}

static void header(uint8_t *table, const char *signature, uint32_t len, uint8_t revision)
{
	memcpy(table, signature, 4);
	put(table + 4, len, 4);
	table[8] = revision;
	memcpy(table + 10, "chaos ", 6);
	memcpy(table + 16, "guest   ", 8);
	put(table + 24, 1, 4);
	memcpy(table + 28, "chao", 4);
	put(table + 32, 1, 4);
}

uint32_t acpi_fill(uint8_t *page, uint64_t base, uint32_t vcpus)
{
	uint8_t *xsdt = page + XSDT;
	uint8_t *fadt = page + FADT;
	uint8_t *dsdt = page + DSDT;
	uint8_t *madt = page + MADT;
	uint32_t madt_bytes = HEADER_BYTES + 8 + LAPIC_BYTES * vcpus;

	header(dsdt, "DSDT", HEADER_BYTES, 2);
	checksum(dsdt, HEADER_BYTES, 9);

	header(fadt, "FACP", FADT_BYTES, 5);
	put(fadt + 40, base + DSDT, 4);
	put(fadt + 140, base + DSDT, 8);
	put(fadt + 109, BOOT_ARCH, 2);
	put(fadt + 112, FLAGS, 4);
	checksum(fadt, FADT_BYTES, 9);

	header(madt, "APIC", madt_bytes, 2);
	put(madt + HEADER_BYTES, LAPIC_BASE, 4);
	for (uint32_t i = 0; i < vcpus; i++) {
		uint8_t *entry = madt + HEADER_BYTES + 8 + LAPIC_BYTES * i;

		entry[0] = 0; /* a local APIC */
		entry[1] = LAPIC_BYTES;
		entry[2] = (uint8_t)i;
		entry[3] = (uint8_t)(i * 2); /* Xen: APIC id = 2 * vCPU */
		put(entry + 4, 1, 4);	     /* enabled */
	}
	checksum(madt, madt_bytes, 9);

	header(xsdt, "XSDT", HEADER_BYTES + 16, 1);
	put(xsdt + HEADER_BYTES, base + FADT, 8);
	put(xsdt + HEADER_BYTES + 8, base + MADT, 8);
	checksum(xsdt, HEADER_BYTES + 16, 9);

	memcpy(page, "RSD PTR ", 8);
	memcpy(page + 9, "chaos ", 6);
	page[15] = 2;
	put(page + 20, HEADER_BYTES, 4);
	put(page + 24, base + XSDT, 8);
	checksum(page, 20, 8);
	checksum(page, HEADER_BYTES, 32);
	return MADT + madt_bytes;
}
