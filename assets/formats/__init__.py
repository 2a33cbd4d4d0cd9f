"""The formats the lanes share: JSON decoding at the edge, CSV, FHIR and HL7 v2 writing.

Put a module here when it knows a format and no partner. Nothing here opens a connection or knows a lane.
"""
