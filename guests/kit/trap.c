/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults: prints kind and address, and ends the VM as crashed. */
#include "kit.h"

#include <xen/sched.h>
#include <xen/arch-x86/xen.h>

#include "dev.h"
#include "hypercall.h"

#define TRAPS	    32
#define ENTRY_BYTES 32
#define HVM_CS	    8

extern char trap_entries_pv[], trap_entries_hvm[];
extern const uint64_t boot_gdt[];

void kit_trap(uint32_t vector, uint64_t error, uint64_t rip) __attribute__((noreturn));

void kit_trap(uint32_t vector, uint64_t error, uint64_t rip)
{
	uint64_t address = 0;

	if (kit.pv)
		address = kit.shared->vcpu_info[0].arch.cr2;
	else
		__asm__ volatile("mov %%cr2, %0" : "=r"(address));
	if (vector == 14)
		kit_print("crash: page fault at address 0x%lx, rip 0x%lx, error 0x%lx\r\n", address,
			  rip, error);
	else
		kit_print("crash: trap %u at rip 0x%lx, error 0x%lx\r\n", vector, rip, error);
	kit_shutdown(SHUTDOWN_crash, 0);
}

static void pv_traps(void)
{
	static struct trap_info table[TRAPS + 1];

	for (unsigned int i = 0; i < TRAPS; i++) {
		table[i].vector = (uint8_t)i;
		table[i].cs = FLAT_KERNEL_CS;
		table[i].address = (unsigned long)trap_entries_pv + i * ENTRY_BYTES;
	}
	if (hypercall(__HYPERVISOR_set_trap_table, (uint64_t)table, 0, 0, 0) == 0)
		kit_can_share();
}

struct descriptor_table {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static void hvm_traps(void)
{
	static uint64_t idt[TRAPS][2];
	const struct descriptor_table idtr = {sizeof(idt) - 1, (uint64_t)idt};
	const struct descriptor_table gdtr = {23, (uint64_t)boot_gdt};

	for (unsigned int i = 0; i < TRAPS; i++) {
		uint64_t at = (uint64_t)trap_entries_hvm + i * ENTRY_BYTES;

		idt[i][0] =
			(at & 0xffff) | HVM_CS << 16 | 0x8e00ull << 32 | (at >> 16 & 0xffff) << 48;
		idt[i][1] = at >> 32;
	}
	__asm__ volatile("lgdt %0; lidt %1\n\t"
			 "push %2; lea 1f(%%rip), %%rax; push %%rax; lretq\n1:"
			 :
			 : "m"(gdtr), "m"(idtr), "i"(HVM_CS)
			 : "rax", "memory");
}

void kit_traps(void)
{
	if (kit.pv)
		pv_traps();
	else
		hvm_traps();
}
