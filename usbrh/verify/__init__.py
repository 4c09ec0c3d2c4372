"""``usbrh verify``: compares a device with what its driver assumes, and records every transfer.

The steps are data: ``usb_rh.STEPS`` and ``usbrh2.STEPS``. ``steps.run`` runs them, ``capture`` writes the file.
"""
