/* SPDX-License-Identifier: BSD-3-Clause */
/* The smallest ACPI tables that a PVH kernel needs: without a MADT Linux does not set up its
 * local APIC. And the device that tells a kernel that it is a copy. Sources: ACPI specification
 * 6.4, chapter 5 (offsets of RSDP, XSDT, FADT, MADT) and 20 (AML); Microsoft's "Virtual Machine
 * Generation ID". */
#include <string.h>

#include "libdom/build.h"

/* Where the tables lie in the page. */
#define XSDT 64u
#define FADT 128u
#define DSDT 400u
#define MADT 640u

#define HEADER_BYTES 36u
#define FADT_BYTES   268u /* revision 5 */
#define LAPIC_BYTES  8u
#define LAPIC_BASE   0xfee00000u

/* FADT: no VGA, no CMOS clock; nothing legacy. */
#define BOOT_ARCH (1u << 2 | 1u << 5)
/* FADT: hardware-reduced, no fixed power or sleep button, C1 works, WBINVD works. */
#define FLAGS (1u << 20 | 1u << 5 | 1u << 4 | 1u << 2 | 1u)

/* AML: its opcodes and prefixes. The length of a package counts itself: of 1 byte, or of 2. */
#define NAME		0x08
#define DWORD		0x0c
#define STRING		0x0d
#define SCOPE		0x10
#define BUFFER		0x11
#define PACKAGE		0x12
#define METHOD		0x14
#define DUAL		0x2e
#define DEVICE		0x5b, 0x82
#define NOTIFY		0x86
#define RETURN		0xa4
#define BYTE		0x0a
#define LEN(n)		0x40 | ((n)&15), (n) >> 4
#define SEG(a, b, c, d) a, b, c, d
#define SB		0x5c, SEG('_', 'S', 'B', '_')

#define GENERATION_BYTES 77 /* of the two devices, their lengths included */
#define EVENTS_BYTES	 67
#define ADDRESS_AT	 82u /* where the device says where the number lies */

/* VGEN has a number that differs in each copy. Linux reads it again when the device is notified
 * of a change. Usually an interrupt triggers that, but a PVH guest has none for it. However,
 * when Linux continues from a suspend in another domain, it evaluates the power state of each
 * device that has a driver and can be switched off: the method of GED0 notifies VGEN. (ACPI0013
 * is the generic event device, whose driver is in every kernel with ACPI; here it has no
 * events.) */
/* clang-format off */
static const uint8_t devices[] = {
	SCOPE, LEN(2 + 5 + 2 + GENERATION_BYTES + 2 + EVENTS_BYTES), SB,

	DEVICE, LEN(GENERATION_BYTES), SEG('V', 'G', 'E', 'N'),
	NAME, SEG('_', 'H', 'I', 'D'), STRING, 'V', 'M', 'G', 'E', 'N', 'C', 'T', 'R', 0,
	NAME, SEG('_', 'C', 'I', 'D'), STRING,
	'V', 'M', '_', 'G', 'e', 'n', '_', 'C', 'o', 'u', 'n', 't', 'e', 'r', 0,
	NAME, SEG('_', 'D', 'D', 'N'), STRING,
	'V', 'M', '_', 'G', 'e', 'n', '_', 'C', 'o', 'u', 'n', 't', 'e', 'r', 0,
	NAME, SEG('A', 'D', 'D', 'R'), PACKAGE, 8, 2, DWORD, 0, 0, 0, 0, 0,

	DEVICE, LEN(EVENTS_BYTES), SEG('G', 'E', 'D', '0'),
	NAME, SEG('_', 'H', 'I', 'D'), STRING, 'A', 'C', 'P', 'I', '0', '0', '1', '3', 0,
	NAME, SEG('_', 'U', 'I', 'D'), 0,
	NAME, SEG('_', 'C', 'R', 'S'), BUFFER, 5, BYTE, 2, 0x79, 0,
	METHOD, 6, SEG('_', 'P', 'S', '0'), 0,
	METHOD, 21, SEG('_', 'P', 'S', 'C'), 0,
	NOTIFY, 0x5c, DUAL, SEG('_', 'S', 'B', '_'), SEG('V', 'G', 'E', 'N'), BYTE, 0x80,
	RETURN, 0,
};
/* clang-format on */

#define DSDT_BYTES (HEADER_BYTES + (uint32_t)sizeof(devices))

_Static_assert(sizeof(devices) == 1 + 2 + 5 + 2 + GENERATION_BYTES + 2 + EVENTS_BYTES, "lengths");
_Static_assert(DSDT + DSDT_BYTES <= MADT, "DSDT");

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

	header(dsdt, "DSDT", DSDT_BYTES, 2);
	memcpy(dsdt + HEADER_BYTES, devices, sizeof(devices));
	put(dsdt + HEADER_BYTES + ADDRESS_AT, base + ACPI_GENERATION_AT, 4);
	checksum(dsdt, DSDT_BYTES, 9);

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
